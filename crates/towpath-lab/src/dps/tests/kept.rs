//! What survives, and what a config can't be.

use super::*;

/// A database that is gone with the test.
struct State(std::path::PathBuf);

impl State {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("towpath-dps-{name}-{}.redb", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn registrations_enrollments_and_keys_survive() {
    let state = State::new("kept");
    let config = |enrollments: &[&str]| Provisioning {
        enrollments: enrollments.iter().map(|id| enrollment(id)).collect(),
        groups: vec![with_key("all", GROUP_KEY)],
        ..Provisioning::default()
    };
    let hosts = ["hub-a", "hub-b"];
    let first = Bench::with(config(&["dev1", "dev2"]), &hosts, Some(&state.0));
    let policy = first
        .dps
        .policies
        .first()
        .expect("a policy")
        .primary
        .clone();
    let own = first.key_of("dev1");
    let token = first.token("dev1", &own);
    let mut client = first.connect("dev1", Some(&token), None).expect("let in");
    let before = client.register().await.body["registrationState"].clone();
    assert_eq!(before["status"], "assigned");
    let body = json!({ "attestation": { "type": "symmetricKey" } });
    let (_, made, durable) = first
        .dps
        .put_enrollment(Kind::Individual, "by-api", &body, None)
        .expect("an enrolment");
    assert!(made && durable.wait().await);
    drop(client);
    drop(first);

    let second = Bench::with(config(&["dev1"]), &hosts, Some(&state.0));
    assert_eq!(
        second.dps.policies.first().expect("a policy").primary,
        policy
    );
    assert_eq!(second.key_of("dev1"), own);
    assert_eq!(second.dps.registration_json("DEV1"), Some(before.clone()));
    assert!(
        second
            .dps
            .enrollment_json(Kind::Individual, "by-api")
            .is_some()
    );
    // It was declared before and is not any more.
    assert!(
        second
            .dps
            .enrollment_json(Kind::Individual, "dev2")
            .is_none()
    );
    assert!(second.device("hub-a", "dev1").is_some());
    let mut client = second
        .connect("dev1", Some(&second.token("dev1", &own)), None)
        .expect("let in");
    let after = client.register().await.body["registrationState"].clone();
    assert_eq!(after["substatus"], "reprovisionedToInitialAssignment");
    assert_eq!(after["createdDateTimeUtc"], before["createdDateTimeUtc"]);
    assert_eq!(after["assignedHub"], before["assignedHub"]);
}

#[test]
fn what_a_config_can_not_be() {
    let good = || Provisioning {
        enrollments: vec![with_key("dev1", KEY)],
        ..Provisioning::default()
    };
    let change = |change: fn(&mut Provisioning)| {
        let mut config = good();
        change(&mut config);
        let hub = config::Hub {
            host: "hub-a".into(),
            ..config::Hub::default()
        };
        let config = Config {
            hubs: vec![hub],
            provisioning: Some(config),
            ..Config::default()
        };
        config.check().map_err(|error| error.to_string())
    };
    assert_eq!(change(|_| {}), Ok(()));
    type Change = (fn(&mut Provisioning), &'static str);
    let changes: [Change; 11] = [
        (|all| all.id_scope.clear(), "id_scope"),
        (|all| all.issued_days = 91, "1 to 90 days"),
        (
            |all| all.enrollments.push(with_key("DEV1", KEY)),
            "there twice",
        ),
        (
            |all| all.enrollments.push(enrollment("a b")),
            "letters, digits",
        ),
        (
            |all| all.enrollments.push(enrollment("")),
            "the id is missing",
        ),
        (
            |all| {
                all.enrollments.push(config::Enrollment {
                    hubs: vec!["hub-z".into()],
                    ..enrollment("dev2")
                });
            },
            "\"hub-z\" is no",
        ),
        (
            |all| {
                all.enrollments.push(config::Enrollment {
                    primary_certificate: Some("12:34".into()),
                    ..enrollment("dev2")
                });
            },
            "neither a thumbprint",
        ),
        (
            |all| {
                all.enrollments.push(config::Enrollment {
                    primary_certificate: Some("A".repeat(40)),
                    ..with_key("dev2", KEY)
                });
            },
            "either keys, or certificates",
        ),
        (
            |all| {
                all.groups.push(config::Enrollment {
                    primary_certificate: Some("A".repeat(40)),
                    ..enrollment("all")
                });
            },
            "a group has cas",
        ),
        (
            |all| {
                all.groups.push(config::Enrollment {
                    device_id: Some("one".into()),
                    ..enrollment("all")
                });
            },
            "device_id",
        ),
        (
            |all| {
                all.groups.push(config::Enrollment {
                    cas: vec!["/nowhere/ca.pem".into()],
                    ..enrollment("all")
                });
            },
            "/nowhere/ca.pem",
        ),
    ];
    for (wrong, cause) in changes {
        let why = change(wrong).expect_err("wrong");
        assert!(why.contains(cause), "{why}");
        assert!(!why.contains(KEY));
    }
}

/// Whoever waits for the disk may go away, and what is not on the disk is not said to be.
#[tokio::test]
async fn an_assignment_that_nobody_waited_for_is_made_again() {
    let state = State::new("unwritten");
    let config = Provisioning {
        enrollments: vec![config::Enrollment {
            reprovision: Some(config::Reprovision::Never),
            ..with_key("dev1", KEY)
        }],
        polls: 0,
        ..Provisioning::default()
    };
    let bench = Bench::with(config, &["hub-a"], Some(&state.0));
    let unwritten = || bench.dps.lock().registrations["dev1"].unwritten;
    let mut client = bench.client("dev1");
    let body = json!({ "registrationId": "dev1" });
    let operation = client.put(&body).await.expect("an answer").body["operationId"].clone();
    let operation = operation.as_str().expect("an id");
    {
        let mut poll = std::pin::pin!(client.poll(operation));
        let once = std::future::poll_fn(|context| {
            // Whether the disk was quicker does not matter for what follows.
            let _ = poll.as_mut().poll(context);
            std::task::Poll::Ready(())
        });
        once.await;
    }
    let heard = client.poll(operation).await.expect("an answer");
    assert_eq!(heard.body["status"], "assigned");
    assert!(!unwritten());
    // What failed to be written is written with the next registration, even of one that stays where it is.
    bench
        .dps
        .lock()
        .registrations
        .get_mut("dev1")
        .expect("registered")
        .unwritten = true;
    assert_eq!(client.register().await.status, 200);
    assert!(!unwritten());
}
