//! What is said about proxies before a byte is sent.

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use common::{ran, towpath};

/// What a run that can't begin says, which is not the password.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = towpath(&["pub", "wss://broker.example", "a", "-m", "x"]);
    command.args(arguments).envs(variables.iter().copied());
    let ran = ran(command.spawn().expect("it runs"));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!ran.err.contains("hunter2"), "{ran:?}");
    ran.err
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    for arguments in [
        &["--proxy", "http://anna:hunter2@proxy.example"][..],
        &[
            "--proxy",
            "http://proxy.example",
            "--proxy-user",
            "anna:hunter2",
        ],
        &[
            "--proxy",
            "http://proxy.example",
            "--proxy-password",
            "hunter2",
        ],
    ] {
        let said = refused(arguments, &[]);
        assert!(said.contains("TOWPATH_PROXY_PASSWORD"), "{said}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_named_by_its_place() {
    let said = refused(&["--proxy", "https://anna:hunter2@proxy.example"], &[]);
    assert!(
        said.contains("--proxy: the proxy's URL: TLS to the proxy"),
        "{said}"
    );
    let variables = [("HTTPS_PROXY", "https://anna:hunter2@proxy.example")];
    let said = refused(&[], &variables);
    assert!(
        said.contains("HTTPS_PROXY: the proxy's URL: TLS to the proxy"),
        "{said}"
    );
    let said = refused(&["--proxy-user", "anna"], &[]);
    assert!(said.contains("--proxy-user: there is no proxy"), "{said}");
}
