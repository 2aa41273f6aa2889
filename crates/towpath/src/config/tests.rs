//! Files that are right, and every way for one to be wrong.

use std::{fs, path::PathBuf};

use super::*;
use crate::net::{self, Families, Nat64, NetOptions, Resolver};

const FILE: &str = "conf/device.toml";

#[track_caller]
fn parse(text: &str) -> Config {
    Config::parse(text, FILE).unwrap()
}

#[track_caller]
fn wrong(text: &str) -> String {
    Config::parse(text, FILE).unwrap_err().to_string()
}

/// What is found wrong when options are made.
#[track_caller]
fn refused(text: &str) -> String {
    parse(text)
        .load(Secrets::default())
        .unwrap_err()
        .to_string()
}

/// The example in the documentation of this module has every key.
fn example() -> String {
    let doc = include_str!("mod.rs").lines();
    let inside = doc.skip_while(|line| *line != "//! ```toml").skip(1);
    inside
        .take_while(|line| *line != "//! ```")
        .map(|line| format!("{}\n", line.trim_start_matches("//!").trim_start()))
        .collect()
}

#[test]
fn the_example_has_every_key_and_reads() {
    let example = example();
    for (prefix, keys) in KNOWN {
        for key in *keys {
            let (as_key, as_table) = (format!("\n{key} = "), format!("\n[{key}]\n"));
            let found = format!("\n{example}");
            assert!(
                found.contains(&as_key) || found.contains(&as_table),
                "{prefix}{key} is not in the example"
            );
        }
    }
    // A build without OpenSSL does not know its name.
    let known = |line: &&str| cfg!(feature = "openssl") || !line.starts_with("backend");
    let config = parse(&example.lines().filter(known).collect::<Vec<_>>().join("\n"));
    let value = |given: &Given<String>| given.as_ref().map(|given| given.value().clone());
    assert_eq!(value(&config.id).as_deref(), Some("meter-4"));
    assert_eq!(config.version(), Version::V311);
    assert_eq!(config.patience(), Duration::from_secs(10));
    assert_eq!(
        value(&config.will.topic).as_deref(),
        Some("plant/meter/4/state")
    );
    let headers = config.websocket.headers.as_ref().unwrap();
    assert_eq!(
        headers.value(),
        &[("X-Site".to_owned(), "north".to_owned())]
    );
    let tls = &config.tls;
    assert_eq!(
        tls.cafile.as_ref().unwrap().value(),
        &PathBuf::from("conf/ca.pem")
    );
    assert_eq!(tls.max.as_ref().unwrap().value(), &tls::Version::Tls12);
    assert_eq!(tls.mfl.as_ref().unwrap().value(), &1024);
    let backend = tls.backend.as_ref().map(|backend| backend.value().name());
    assert_eq!(backend, cfg!(feature = "openssl").then_some("openssl"));
    assert_eq!(
        tls.renegotiation.as_ref().unwrap().value(),
        &Renegotiation::OnceUntilConnack
    );
    assert_eq!(tls.unchecked_clock.as_ref().unwrap().value(), &false);
}

#[test]
fn an_empty_file_says_nothing() {
    let config = parse("");
    assert!(config.url.is_none() && config.tls.any().is_none());
    assert!(
        config
            .load(Secrets::default())
            .unwrap_err()
            .to_string()
            .contains("url is missing")
    );
}

#[test]
fn errors_name_file_line_and_key() {
    for (text, error) in [
        (
            "url = \"mqtts://h\"\n\n[tls]\nmin = \"1.1\"\n",
            "conf/device.toml:4: tls.min: \"1.1\" is not known; use \"1.2\" or \"1.3\"",
        ),
        (
            "mqtt = \"4\"",
            "conf/device.toml:1: mqtt: \"4\" is not known; use \"3.1.1\" or \"5\"",
        ),
        (
            "keepalive = 70000",
            ":1: keepalive: this has to be a number of seconds from 0 to 65535",
        ),
        (
            "keepalive = \"60\"",
            ":1: keepalive: this has to be a number",
        ),
        (
            "\ntimeout = 0",
            ":2: timeout: this has to be a number of seconds above 0",
        ),
        ("timeout = nan", ":1: timeout: "),
        ("bind = \"here\"", ":1: bind: this has to be an IP address"),
        (
            "id = 4",
            ":1: id: this has to be text in quotes, as in id = \"...\"",
        ),
        (
            "keep_session = 1",
            ":1: keep_session: this has to be true or false",
        ),
        ("will = 1", ":1: will: this has to be a table"),
        ("[will]\nqos = 3", ":2: will.qos: this has to be 0, 1 or 2"),
        (
            "[tls]\nciphers = \"TLS_AES_128_GCM_SHA256\"",
            ":2: tls.ciphers: this has to be a list of texts, as in ciphers = [\"...\", \"...\"]",
        ),
        (
            "[tls]\nalpn = [\n\"mqtt\",\n1]",
            ":2: tls.alpn: this has to be a list",
        ),
        (
            "[tls]\ncafile = true",
            ":2: tls.cafile: this has to be the path of a file",
        ),
        ("[tls]\nmfl = -1", ":2: tls.mfl: this has to be 512, 1024"),
        (
            "[websocket]\nheaders = { a = 1 }",
            ":2: websocket.headers: this has to be a table of",
        ),
        (
            "[network]\nfamilies = \"5\"",
            ":2: network.families: \"5\" is not known; use \"any\" or \"4\" or \"6\"",
        ),
        (
            "[network]\nresolver = [\"192.0.2.1\", \"dns.example\"]",
            ":2: network.resolver: \"dns.example\" is no DNS server: this has to be ADDRESS",
        ),
        (
            "[network]\nresolver = [\"192.0.2.1\", \"system\"]",
            ":2: network.resolver: \"system\" stands alone",
        ),
        ("[network]\nresolver = []", "there is no server in it"),
        (
            "[network]\nresolver = [\"::1\", \"::2\", \"::3\", \"::4\", \"::5\"]",
            ":2: network.resolver: more than 4 servers are not asked",
        ),
        (
            "[network]\nresolver = 5",
            ":2: network.resolver: this has to be text in quotes, or a list",
        ),
        (
            "[network]\nnat64_prefix = \"64:ff9b::/95\"",
            ":2: network.nat64_prefix: \"64:ff9b::/95\" is no NAT64 prefix",
        ),
        (
            "[network]\nattempt_delay = 0",
            ":2: network.attempt_delay: this has to be a number of seconds above 0",
        ),
        ("[tls]\nclock = \"off\"", "use \"system\" or \"unchecked\""),
        (
            "[tls]\nrenegotiation = \"always\"",
            "use \"never\" or \"once\"",
        ),
    ] {
        let found = wrong(text);
        assert!(found.contains(error), "{found}");
        assert!(!found.contains('\n'), "{found}");
    }
}

#[test]
fn unknown_keys_are_errors_that_know_better() {
    for (text, error) in [
        ("urll = 1", ":1: urll: this key is not known; is it url?"),
        (
            "[tls]\nca_file = \"f\"",
            ":2: tls.ca_file: this key is not known; is it cafile?",
        ),
        ("[tls]\ncipher = []", "is it ciphers?"),
        ("[wil]\n", ":1: wil: this key is not known; is it will?"),
        ("cafile = \"f\"", ":1: cafile: this key belongs into [tls]"),
        (
            "[tls]\nid = \"f\"",
            ":2: tls.id: this key belongs to the top of the file",
        ),
        (
            "[will]\nblue = 1",
            "there are topic, payload, qos, retain, delay",
        ),
        (
            "url = \"mqtt://h\"\nid = 1\nnonsense = 1\n",
            ":3: nonsense: ",
        ),
        (
            "[tls]\ninsecure = true",
            ":2: tls.insecure: the server's certificate is always verified",
        ),
        (
            "[tls]\nverify = false",
            "always verified; name the CA to trust with cafile",
        ),
    ] {
        let found = wrong(text);
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn a_password_is_refused_and_not_repeated() {
    for (text, better) in [
        ("user = \"u\"\npassword = \"s3same\"", "password_file"),
        ("Password = \"s3same\"", "TOWPATH_PASSWORD"),
        ("[tls]\nkey_password = \"s3same\"", "key_password_file"),
        ("[tls]\nkey-password = \"s3same\"", "TOWPATH_KEY_PASSWORD"),
    ] {
        let found = wrong(text);
        assert!(
            found.contains(better) && !found.contains("s3same"),
            "{found}"
        );
    }
    for broken in [
        "x = \"s3same",
        "password = s3same",
        "[tls\ns3same",
        "url = \"mqtt://u:s3same@h\"\nurl = 1",
    ] {
        let found = wrong(broken);
        assert!(found.contains("this is no TOML"), "{found}");
        assert!(!found.contains("s3same"), "{found}");
    }
    let found = refused("url = \"mqtt://u:s3same@h\"");
    assert!(
        found.starts_with("conf/device.toml:1: url: a user or password"),
        "{found}"
    );
    assert!(!found.contains("s3same"), "{found}");
}

#[test]
fn nothing_of_a_value_is_in_debug() {
    let config = parse("id = \"s3same\"\n[websocket]\nheaders = { Authorization = \"s3same\" }");
    let shown = format!("{config:?}");
    assert!(shown.contains("conf/device.toml:3"), "{shown}");
    assert!(!shown.contains("s3same"), "{shown}");
    let secrets = Secrets {
        password: Some(b"s3same".to_vec()),
        key_password: Some(b"s3same".to_vec()),
        proxy_password: Some(b"s3same".to_vec()),
    };
    assert!(!format!("{secrets:?}").contains("115"), "{secrets:?}");
}

#[test]
fn the_network_comes_into_the_options() {
    let config = parse(
        "url = \"mqtt://h\"\ntimeout = 3\n[network]\nfamilies = \"6\"\nmss = 1200\nattempt_delay = 0.5\n\
         resolver = [\"192.0.2.53\", \"[2001:db8::53]:5353\"]\nnat64_prefix = \"64:ff9b::/96\"",
    );
    let options = config.load(Secrets::default()).unwrap().options;
    let servers = ["192.0.2.53:53", "[2001:db8::53]:5353"].map(|text| text.parse().unwrap());
    let wanted = NetOptions::default()
        .families(Families::V6)
        .mss(1200)
        .attempt_delay(Duration::from_millis(500))
        .patience(Duration::from_secs(3))
        .resolver(Resolver::Servers(servers.to_vec()))
        .nat64(Nat64::Prefix(net::Prefix::WELL_KNOWN));
    assert_eq!(*options.network_options(), wanted);
    for (text, resolver) in [
        ("", Resolver::Auto),
        ("resolver = \"auto\"", Resolver::Auto),
        ("resolver = \"system\"", Resolver::System),
        ("resolver = [\"system\"]", Resolver::System),
    ] {
        let config = parse(&format!("url = \"mqtt://h\"\n[network]\n{text}"));
        let options = config.load(Secrets::default()).unwrap().options;
        assert_eq!(options.network_options().resolver, resolver, "{text}");
    }
}

#[test]
fn a_proxy_is_named_by_the_file_or_by_what_is_known_otherwise() {
    let found = |text: &str, otherwise: Option<&str>, password: Option<&[u8]>| {
        let mut config = parse(&format!("url = \"mqtts://h\"\n[proxy]\n{text}"));
        config.proxy.otherwise = otherwise.map(|url| crate::Proxy::parse(url).unwrap());
        let lacks = config.proxy.lacks_password();
        let secrets = Secrets {
            proxy_password: password.map(Into::into),
            ..Secrets::default()
        };
        let options = config.load(secrets).unwrap().options;
        (lacks, options.proxied_by().cloned())
    };
    let proxy = |url| Some(crate::Proxy::parse(url).unwrap());
    let http = "url = \"http://p:1\"";
    assert_eq!(found("", None, None), (None, None));
    assert_eq!(found("", Some("p:1"), None), (None, proxy("http://p:1")));
    let known = found("", Some("u:w@p:1"), None);
    assert_eq!(known, (None, proxy("http://u:w@p:1")));
    assert_eq!(found(http, Some("q:2"), None), (None, proxy("http://p:1")));
    assert_eq!(found("url = \"none\"", Some("q:2"), None), (None, None));
    let unused = "url = \"none\"\nuser = \"anna\"\npassword_file = \"/nowhere\"";
    assert_eq!(found(unused, None, None), (None, None));
    let user = format!("{http}\nuser = \"anna\"");
    let anna = Some("anna".to_owned());
    let with = found(&user, None, Some(b"w"));
    assert_eq!(with, (anna.clone(), proxy("http://anna:w@p:1")));
    assert_eq!(
        found(&user, None, None),
        (anna.clone(), proxy("http://anna@p:1"))
    );
    let in_url = found("url = \"socks5://anna@p\"", None, Some(b"w"));
    assert_eq!(in_url, (anna.clone(), proxy("socks5://anna:w@p")));
    let other = found("user = \"anna\"", Some("u:w@p:1"), Some(b"x"));
    assert_eq!(other, (anna, proxy("http://anna:x@p:1")));
}

#[test]
fn what_can_not_be_honoured_names_its_key() {
    const MQTT: &str = "url = \"mqtt://h\"\n";
    const MQTTS: &str = "url = \"mqtts://h\"\n[tls]\n";
    for (head, text, error) in [
        ("", "url = \"http://h\"", ":1: url: http:// is not known"),
        (
            MQTT,
            "[tls]\nmin = \"1.2\"",
            ":3: tls.min: TLS has no meaning with mqtt://; use mqtts://",
        ),
        (
            "url = \"ws://h\"\n",
            "[tls]\nmin = \"1.2\"",
            ":3: tls.min: TLS has no meaning with ws://; use wss://",
        ),
        (
            MQTT,
            "[proxy]\nurl = \"http://u:s3same@p\"",
            ":3: proxy.url: a password does not belong here",
        ),
        (
            MQTT,
            "[network]\nmss = 80",
            ":3: network.mss: this has to be a number of bytes from 88 to 32767",
        ),
        (
            MQTT,
            "[proxy]\nurl = \"https://p\"",
            ":3: proxy.url: the proxy's URL: TLS to the proxy",
        ),
        (
            MQTT,
            "[proxy]\nuser = \"u\"",
            ":3: proxy.user: there is no proxy",
        ),
        (
            MQTT,
            "[proxy]\nurl = \"http://p\"\npassword_file = \"f\"",
            ":4: proxy.password_file: a password needs a user",
        ),
        (MQTT, "keep_session = true", ":2: keep_session: "),
        (
            MQTT,
            "password_file = \"p\"",
            ":2: password_file: a password needs a user",
        ),
        (
            MQTT,
            "mqtt = \"3.1.1\"\nsession_expiry = 1",
            ":3: session_expiry: this needs MQTT 5",
        ),
        (
            MQTT,
            "[will]\nqos = 1",
            ":3: will.qos: a will needs a topic",
        ),
        (
            MQTT,
            "[will]\ntopic = \"a/#\"",
            ":3: will.topic: topic \"a/#\": [MQTT-4.7.0-1]",
        ),
        (
            MQTT,
            "[websocket]\nsubprotocol = \"m\"",
            ":3: websocket.subprotocol: this has no meaning with mqtt://",
        ),
        (
            MQTTS,
            "min = \"1.3\"\nmax = \"1.2\"",
            ":3: tls.min: the lowest version, 1.3, is above the highest, 1.2",
        ),
        (
            MQTTS,
            "cert = \"c\"",
            ":3: tls.cert: its private key is missing",
        ),
        (
            MQTTS,
            "key = \"c\"",
            ":3: tls.key: its certificate is missing",
        ),
        (
            MQTTS,
            "key_password_file = \"c\"",
            ":3: tls.key_password_file: there is no key",
        ),
        (
            MQTTS,
            "mfl = 100",
            ":3: tls.mfl: this has to be 512, 1024, 2048 or 4096",
        ),
        (MQTTS, "ciphers = []", ":3: tls.ciphers: the list is empty"),
        (
            MQTTS,
            "ciphers = [\"ECDHE-RSA-AES128-GCM-SHA256\"]",
            "is not the name in the IANA registry; write it as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        (
            MQTTS,
            "ciphers = [\"HIGH\"]",
            "\"HIGH\" is no cipher suite; names are those of the IANA registry",
        ),
        (
            MQTTS,
            "groups = [\"P-256\"]",
            ":3: tls.groups: \"P-256\" is not the name in the IANA registry; write it as secp256r1",
        ),
    ] {
        let found = refused(&format!("{head}{text}"));
        assert!(found.contains(error), "{text}: {found}");
    }
    let found = refused("url = \"mqtts://h\"\n[tls]\ncafile = \"none.pem\"");
    assert!(found.starts_with("cannot read conf/none.pem: "), "{found}");
    #[cfg(feature = "mbed")]
    for (text, error) in [
        (
            "backend = \"mbed\"",
            ":3: tls.backend: this back-end does not know the system's roots",
        ),
        (
            "backend = \"mbed\"\ncapath = \"c\"\nkeylog = \"k\"",
            ":5: tls.keylog: only the back-end openssl",
        ),
    ] {
        let found = refused(&format!("{MQTTS}{text}"));
        assert!(found.contains(error), "{text}: {found}");
    }
}

#[test]
fn a_flag_says_its_name() {
    let mut config = parse("url = \"mqtts://h\"\n[tls]\nmfl = 512");
    config.tls.mfl = Some(Setting::flag("--mfl", 7));
    let found = config.load(Secrets::default()).unwrap_err().to_string();
    assert!(found.starts_with("--mfl: this has to be 512"), "{found}");
}

#[test]
fn what_was_said_reaches_the_options() {
    let config = parse(
        "url = \"ws://h:81/mqtt\"\nid = \"one\"\nkeepalive = 7\ntimeout = 0.5\nkeep_session = true\n\
         [will]\ntopic = \"t\"\ndelay = 3",
    );
    let options = config.load(Secrets::default()).unwrap().options;
    assert_eq!(options.endpoint().to_string(), "ws://h:81/mqtt");
    assert_eq!(options.client_id, "one");
    assert_eq!(options.keep_alive, 7);
    assert_eq!(options.patience, Duration::from_millis(500));
    assert_eq!(
        (options.clean_start, options.session_expiry),
        (false, Some(u32::MAX))
    );
    let will = options
        .extras
        .as_ref()
        .and_then(|extras| extras.will.clone());
    assert_eq!(
        will.map(|will| (will.topic, will.delay)),
        Some(("t".into(), 3))
    );
}

#[test]
fn passwords_come_from_files_beside_the_file() {
    let folder = std::env::temp_dir().join(format!("towpath-config-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("password"), "s3same\nmore\n").unwrap();
    let text = "url = \"mqtt://h\"\nuser = \"u\"\npassword_file = \"password\"";
    let config = Config::parse(text, folder.join("device.toml")).unwrap();
    let options = config.load(Secrets::default());
    fs::remove_dir_all(&folder).unwrap();
    let options = options.unwrap().options;
    let password = options
        .extras
        .as_ref()
        .and_then(|extras| extras.password.clone());
    assert_eq!(password.as_deref(), Some(&b"s3same"[..]));
    assert!(!format!("{options:?} {config:?}").contains("s3same"));
}

#[test]
fn suites_are_separated_by_colons_or_commas() {
    assert_eq!(names("A:B, C,"), ["A", "B", "C"]);
}

#[test]
fn a_lowest_version_leaves_the_profile_its_highest() {
    let highest = |text: &str| {
        let config = parse(&format!("url = \"mqtts://h\"\n{text}"));
        let options = config.load(Secrets::default()).unwrap().options;
        options.extras.unwrap().tls.highest()
    };
    let low = "profile = \"thread\"\n[tls]\nmin = \"1.2\"";
    assert_eq!(highest(low), Some(tls::Version::Tls12));
    assert_eq!(highest("profile = \"thread\"\n[tls]\nmin = \"1.3\""), None);
}
