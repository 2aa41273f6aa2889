//! Profiles that a back-end can't honour are refused, and the refusal says what to change.

use towpath_proto::{
    Code,
    tls::{Capabilities, Clock, Identity, Profile, Renegotiation, Roots, Version, Versions},
};

const ALL: Capabilities = Capabilities {
    name: "all",
    versions: Versions::BOTH,
    renegotiation: true,
    post_handshake_auth: true,
    max_fragment: true,
    resumption: true,
    system_roots: true,
    encrypted_keys: true,
    token_keys: true,
    record_buffer: 16384,
    handshake_buffer: 1 << 16,
};

/// A device's: TLS 1.2, and nothing that is not needed.
const FEW: Capabilities = Capabilities {
    name: "few",
    versions: Versions {
        min: Version::Tls12,
        max: Version::Tls12,
    },
    renegotiation: false,
    post_handshake_auth: false,
    max_fragment: false,
    resumption: false,
    system_roots: false,
    encrypted_keys: false,
    token_keys: false,
    record_buffer: 4096,
    handshake_buffer: 4096,
};

const PROFILE: Profile<'static> = Profile {
    versions: None,
    suites: &[],
    groups: &[],
    signature_algorithms: &[],
    roots: Roots::Given(&[b"root"]),
    identity: None,
    server: "lock.example",
    server_name: None,
    alpn: &[],
    max_fragment: None,
    record_buffer: None,
    handshake_buffer: None,
    renegotiation: Renegotiation::Never,
    post_handshake_auth: false,
    clock: Clock::System,
    session: None,
    ticketless: false,
    trace: false,
    keep_chain: false,
};

#[test]
fn a_plain_profile_fits_every_back_end() {
    assert_eq!(PROFILE.check(&ALL), Ok(()));
    assert_eq!(PROFILE.check(&FEW), Ok(()));
}

#[test]
fn what_a_back_end_lacks_is_named() {
    const TLS13: Version = Version::Tls13;
    let wishes: [(Profile<'_>, &str); 9] = [
        (
            Profile {
                versions: Some(Versions::BOTH),
                ..PROFILE
            },
            "TLS version not in this back-end",
        ),
        (
            Profile {
                renegotiation: Renegotiation::OnceUntilConnack,
                ..PROFILE
            },
            "no renegotiation in this back-end",
        ),
        (
            Profile {
                post_handshake_auth: true,
                ..PROFILE
            },
            "no post-handshake auth: set TLS max to 1.2",
        ),
        (
            Profile {
                max_fragment: Some(1024),
                ..PROFILE
            },
            "no maximum fragment length in this back-end",
        ),
        (
            Profile {
                session: Some(b"secret"),
                ..PROFILE
            },
            "no session resumption in this back-end",
        ),
        (
            Profile {
                roots: Roots::System,
                ..PROFILE
            },
            "no system roots: give the CA certificates",
        ),
        (
            Profile {
                record_buffer: Some(16384),
                ..PROFILE
            },
            "record buffer larger than built",
        ),
        (
            Profile {
                handshake_buffer: Some(5000),
                ..PROFILE
            },
            "handshake buffer larger than built",
        ),
        (
            Profile {
                versions: Some(Versions {
                    min: TLS13,
                    max: TLS13,
                }),
                ..PROFILE
            },
            "TLS version not in this back-end",
        ),
    ];
    for (profile, what) in wishes {
        assert_eq!(profile.check(&ALL), Ok(()), "{what}");
        let fault = profile.check(&FEW).expect_err(what);
        assert_eq!(fault.code, Code::TlsProfile);
        assert_eq!(fault.detail.as_str(), what);
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_all() {
    let wishes: [(Profile<'_>, &str); 6] = [
        (
            Profile {
                versions: Some(Versions {
                    min: Version::Tls13,
                    max: Version::Tls12,
                }),
                ..PROFILE
            },
            "lowest TLS version above the highest",
        ),
        (
            Profile {
                max_fragment: Some(1000),
                ..PROFILE
            },
            "maximum fragment length: 512, 1024, 2048, 4096",
        ),
        (
            Profile {
                alpn: &["mqtt", ""],
                ..PROFILE
            },
            "ALPN names have 1 to 255 bytes",
        ),
        (
            Profile {
                server: "",
                ..PROFILE
            },
            "no server name to verify",
        ),
        (
            Profile {
                roots: Roots::Given(&[]),
                ..PROFILE
            },
            "the list of roots is empty",
        ),
        (Profile::default(), "no server name to verify"),
    ];
    for (profile, what) in wishes {
        let fault = profile.check(&ALL).expect_err(what);
        assert_eq!(
            (fault.code, fault.detail.as_str()),
            (Code::TlsProfile, what)
        );
    }
}

/// Under TLS 1.3 alone there is no renegotiation to want.
#[test]
fn renegotiation_is_asked_of_tls_1_2_only() {
    let can = Capabilities {
        renegotiation: false,
        ..ALL
    };
    let profile = Profile {
        versions: Some(Versions {
            min: Version::Tls13,
            max: Version::Tls13,
        }),
        renegotiation: Renegotiation::OnceUntilConnack,
        ..PROFILE
    };
    assert_eq!(profile.check(&can), Ok(()));
}

#[test]
fn the_clock_has_to_be_set() {
    let with = |clock| Profile { clock, ..PROFILE }.now();
    assert_eq!(with(Clock::System), Ok(None));
    assert_eq!(with(Clock::Unchecked), Ok(None));
    assert_eq!(with(Clock::Given(|| Some(7))), Ok(Some(7)));
    let unset = with(Clock::Given(|| None)).expect_err("no time");
    assert_eq!(unset.code, Code::ClockUnset);
}

#[test]
fn secrets_are_not_printed() {
    let profile = Profile {
        identity: Some(Identity {
            chain: b"the chain",
            key: b"the secret key",
            password: Some(b"the password"),
        }),
        session: Some(b"the session"),
        ..PROFILE
    };
    let printed = format!("{profile:?} {:?}", profile.identity);
    let numbers = |bytes: &[u8]| format!("{bytes:?}");
    for secret in ["the secret key", "the password", "the session"] {
        assert!(!printed.contains(secret), "{printed}");
        assert!(!printed.contains(&numbers(secret.as_bytes())), "{printed}");
    }
}
