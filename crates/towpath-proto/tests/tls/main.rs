//! The TLS rung without a client: the tap on streams of OpenSSL and of the toy, profiles, alerts.

#[cfg(feature = "tls-details")]
mod details;
mod profile;
mod streams;
mod tap;

use towpath_proto::tls::{Alert, Side};

#[test]
fn an_alert_says_who_sent_what() {
    let alert = Alert::fatal(Side::Server, 40);
    assert_eq!(alert.to_string(), "server sent alert 40 handshake_failure");
    let warning = Alert {
        from: Side::Client,
        fatal: false,
        description: 100,
    };
    assert_eq!(
        warning.to_string(),
        "client sent warning 100 no_renegotiation"
    );
    let odd = Alert::fatal(Side::Server, 200);
    assert_eq!(odd.to_string(), "server sent alert 200 unknown");
}

/// Names as in the registry of the specifications.
#[test]
fn alerts_have_the_names_of_the_specifications() {
    for (number, name) in [
        (0, "close_notify"),
        (20, "bad_record_mac"),
        (42, "bad_certificate"),
        (48, "unknown_ca"),
        (70, "protocol_version"),
        (112, "unrecognized_name"),
        (116, "certificate_required"),
        (120, "no_application_protocol"),
    ] {
        assert_eq!(Alert::fatal(Side::Client, number).name(), name);
    }
}
