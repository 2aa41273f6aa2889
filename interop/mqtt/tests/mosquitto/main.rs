//! towpath against mosquitto, over TCP and WebSockets, with MQTT 3.1.1 and 5.

/// Each function once for each way: makes tests that call `name(way)`. Those behind `v5:` only with MQTT 5.
macro_rules! ways {
    ($(all: $($all:ident)*;)? $(v5: $($v5:ident)*;)?) => {
        ways!(@ tcp_v311, Tcp, V311, $($($all)*)?);
        ways!(@ ws_v311, Ws, V311, $($($all)*)?);
        ways!(@ tcp_v5, Tcp, V5, $($($all)*)? $($($v5)*)?);
        ways!(@ ws_v5, Ws, V5, $($($all)*)? $($($v5)*)?);
    };
    (@ $module:ident, $via:ident, $version:ident, $($name:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(mqtt::Way::new(mqtt::Via::$via, towpath::Version::$version)).await;
                }
            )*
        }
    };
}

mod access;
mod basics;
mod bulk;
mod cancel;
mod faults;
mod limits;
mod pipeline;
mod queue;
mod resume;
mod v5;
