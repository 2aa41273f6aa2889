//! Finds what somebody meant.

/// The name of `names` that `given` is a slip of, if there is one. Dashes, underscores and capitals count for nothing.
pub(crate) fn nearest<'a>(
    given: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |name: &str| -> String {
        let letters = name.chars().filter(|char| !matches!(char, '-' | '_'));
        letters.map(|char| char.to_ascii_lowercase()).collect()
    };
    let given = plain(given);
    let distance = |name: &str| strsim::levenshtein(&given, &plain(name));
    let (distance, name) = names.into_iter().map(|name| (distance(name), name)).min()?;
    (distance <= 1 + given.len() / 4).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = ["primary_key", "disabled", "cert-expired"];
        assert_eq!(nearest("primarykey", names), Some("primary_key"));
        assert_eq!(nearest("cert_expird", names), Some("cert-expired"));
        assert_eq!(nearest("something", names), None);
        assert_eq!(nearest("", names), None);
    }
}
