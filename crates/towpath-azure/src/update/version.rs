//! The order of versions.

use core::cmp::Ordering;

/// How two versions relate: numbers with dots between, a `v` before them allowed, a missing number counts as 0.
///
/// `None` if one of them is something else, such as a hash: then nobody can say which is newer.
#[must_use]
pub fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (mut one, mut other) = (numbers(one), numbers(other));
    let mut order = Ordering::Equal;
    loop {
        let (left, right) = (one.next(), other.next());
        if left.is_none() && right.is_none() {
            return Some(order);
        }
        let (left, right) = (left.unwrap_or(Some(0))?, right.unwrap_or(Some(0))?);
        order = order.then(left.cmp(&right));
    }
}

/// The numbers of a version; `None` for a part that is no number.
fn numbers(version: &str) -> impl Iterator<Item = Option<u64>> {
    let digits = version.strip_prefix(['v', 'V']).unwrap_or(version);
    digits.split('.').map(|part| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| part.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_count_not_letters() {
        assert_eq!(compare("1.10", "1.9"), Some(Ordering::Greater));
        assert_eq!(compare("1.0", "1"), Some(Ordering::Equal));
        assert_eq!(compare("v2", "10.0"), Some(Ordering::Less));
        assert_eq!(compare("01.2", "1.2.0.0"), Some(Ordering::Equal));
    }

    #[test]
    fn what_has_no_order_has_none() {
        for bad in [
            "",
            "1.",
            ".1",
            "1.0-rc1",
            "a1b2c3",
            "+1",
            "vv1",
            "99999999999999999999",
        ] {
            assert_eq!(compare(bad, "1.0"), None, "{bad}");
            assert_eq!(compare("1.0", bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_is_an_order(one in "[0-3]{1,2}(\\.[0-3]){0,3}", other in "[0-3]{1,2}(\\.[0-3]){0,3}") {
            prop_assert_eq!(compare(&one, &other), compare(&other, &one).map(Ordering::reverse));
            prop_assert_eq!(compare(&one, &one), Some(Ordering::Equal));
        }

        #[test]
        fn noise_never_panics(one: std::string::String, other: std::string::String) {
            let _ = compare(&one, &other);
        }
    }
}
