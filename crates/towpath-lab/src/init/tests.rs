//! What `init` writes is what the lab takes.

use super::*;

#[test]
fn the_example_reads_and_shows_every_key() {
    let config = Config::parse(LAB, "lab/lab.toml").expect("the example");
    assert_eq!(config.hubs[0].devices.len(), 2);
    // With everything that is commented out but the prose.
    let shown: Vec<_> = LAB
        .lines()
        .map(|line| line.trim_start_matches("# ").trim())
        .collect();
    for (table, keys) in crate::config::tables() {
        for key in keys {
            let as_key = format!("{key} = ");
            let found = shown.iter().any(|line| {
                line.starts_with(&as_key)
                    || line.starts_with('[') && line.trim_matches(['[', ']']).ends_with(&key)
            });
            assert!(found, "{key} of {table} is not in the example");
        }
    }
}

#[test]
fn what_the_comments_show_as_defaults_are_the_defaults() {
    let uncommented = |table: &str| -> String {
        let lines = LAB.lines().skip_while(|line| *line != table).skip(1);
        let own = lines.take_while(|line| !line.starts_with('['));
        own.filter_map(|line| line.strip_prefix("# "))
            .filter(|line| {
                line.split_once(" = ")
                    .is_some_and(|(key, _)| !key.contains(' '))
            })
            .map(|line| format!("{line}\n"))
            .collect()
    };
    let limits: crate::config::Limits =
        toml::from_str(&uncommented("[hub.limits]")).expect("limits");
    let same = format!("{limits:?}") == format!("{:?}", crate::config::Limits::default());
    assert!(same, "{limits:?}");
    let behaviour: crate::config::Behaviour =
        toml::from_str(&uncommented("[hub.behaviour]")).expect("behaviour");
    let same = format!("{behaviour:?}") == format!("{:?}", crate::config::Behaviour::default());
    assert!(same, "{behaviour:?}");
}
