//! Whatever a client sends: an answer or a refusal, and no panic.

use proptest::prelude::*;

use super::{dialogue::one, *};

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the body is, there is an answer, and the next registration is good.
    #[test]
    fn bodies(bytes in prop::collection::vec(any::<u8>(), 0..300), topic in ".{0,80}") {
        thread_local! {
            static BENCH: Bench = Bench::new(one());
        }
        BENCH.with(|bench| run(async {
            let mut client = bench.client("dev1");
            client.rid = 1;
            let register = "$dps/registrations/PUT/iotdps-register/?$rid=1";
            let heard = client.ask(register, &bytes).await.expect("an answer");
            assert_eq!(heard.status, 400);
            let request = bench.dps.request(&client.registrant, &topic, &bytes, &client.connection);
            assert!(request.await.is_err());
        }));
    }

    /// JSON of any shape with the right id: an answer that is no fault of the service's.
    #[test]
    fn fields(value in json_value(), field in prop::sample::select(vec!["payload", "csr", "clientCertificateCsr", "tpm", "other"]),
              version in prop::sample::select(vec!["2019-03-31", "2021-11-01-preview", "2025-07-01-preview"])) {
        thread_local! {
            static BENCH: Bench = Bench::new(one());
        }
        BENCH.with(|bench| run(async {
            let token = bench.token("dev1", &key(KEY));
            let mut client = bench.connect_as("dev1", version, Some(&token), None).expect("let in");
            let mut body = json!({ "registrationId": "dev1" });
            body[field] = value.clone();
            let heard = client.put(&body).await.expect("an answer");
            assert!(matches!(heard.status, 202 | 400), "{heard:?}");
        }));
    }

    #[test]
    fn user_names(text in ".{0,200}", client in ".{0,40}", password in prop::collection::vec(any::<u8>(), 0..100)) {
        thread_local! {
            static BENCH: Bench = Bench::new(one());
        }
        BENCH.with(|bench| {
            let connection = bench.connection();
            let refused = bench.dps.admit(&client, &text, Some(&password), None, &connection);
            assert!(refused.is_err());
            let user = format!("{SCOPE}/registrations/dev1/{text}");
            let _ = bench.dps.admit("dev1", &user, Some(&password), None, &connection);
        });
    }
}

fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        ".{0,20}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(".{0,8}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}
