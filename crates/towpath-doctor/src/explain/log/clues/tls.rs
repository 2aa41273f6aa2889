//! Lines about TLS: the debug lines of Mbed TLS, esp-tls, OpenSSL, Go, rustls; and about the HTTP upgrade.

use super::{Clue, clues};
use crate::explain::log::fact::{
    Says::{Ended, Harmless, Is, Names, Step},
    Step::{
        Answering, CertificateAsked, ClientCertificate, ClientHello, Renegotiating, Requested,
        Secured, ServerCertificate, ServerHello, TcpOpen, Upgraded,
    },
    Symptom::{Closed, TlsFailed},
    Trait::{Baltimore, Tls, WebSocket},
    Weight::{Named, Root},
};

pub(super) const CLUES: &[Clue] = clues! {
    ["=> handshake", "!wrapup"] Is(Tls);
    ["=> handshake", "!wrapup"] Step(TcpOpen);
    ["mqtts://"] Is(Tls);
    ["wss://"] Is(Tls);
    ["wss://"] Is(WebSocket);
    ["ws://"] Is(WebSocket);
    ["websocket"] Is(WebSocket);
    ["transport_ws"] Is(WebSocket);
    ["=> write client hello"] Step(ClientHello);
    ["=> parse server hello", "!done"] Step(ServerHello);
    ["=> parse certificate", "!request"] Step(ServerCertificate);
    ["got a certificate request"] Step(CertificateAsked);
    ["=> write certificate", "!verify"] Step(ClientCertificate);
    ["handshake wrapup"] Step(Secured);
    ["handshake: done"] Step(Secured);
    ["<= renegotiate"] Step(Secured);
    ["tls handshake complete"] Step(Secured);
    ["tls connected"] Step(Secured);
    ["=> renegotiate"] Step(Renegotiating);
    ["<<< tls", "hellorequest"] Step(Renegotiating);
    ["refusing renegotiation"] Names("TP-TLS-031", Root);
    ["tls: no renegotiation"] Names("TP-TLS-031", Root);
    ["warning alert norenegotiation"] Names("TP-TLS-031", Root);
    ["error:", ":no renegotiation"] Names("TP-TLS-031", Root);
    ["unsafe legacy renegotiation disabled"] Names("TP-TLS-033", Root);
    ["legacy renegotiation, breaking off handshake"] Names("TP-TLS-033", Root);

    ["certificate validity has expired"] Names("TP-TLS-010", Root);
    ["certificate has expired"] Names("TP-TLS-010", Root);
    ["validity starts in the future"] Names("TP-TLS-011", Root);
    ["certificate is not yet valid"] Names("TP-TLS-011", Root);
    ["does not match with the expected cn"] Names("TP-TLS-012", Root);
    ["hostname mismatch"] Names("TP-TLS-012", Root);
    ["hostname/ip does not match"] Names("TP-TLS-012", Root);
    ["ip address mismatch"] Names("TP-TLS-052", Root);
    ["not correctly signed by the trusted ca", "!crl"] Names("TP-TLS-013", Root);
    ["unable to get local issuer certificate"] Names("TP-TLS-013", Root);
    ["unable to get issuer certificate"] Names("TP-TLS-013", Root);
    ["unable to find valid certification path"] Names("TP-TLS-013", Root);
    ["no matching trusted root certificate found"] Names("TP-TLS-013", Root);
    ["pk verify failed with error"] Names("TP-TLS-013", Named);
    ["self signed certificate"] Names("TP-TLS-014", Root);
    ["self-signed certificate"] Names("TP-TLS-014", Root);
    ["unable to verify the first certificate"] Names("TP-TLS-015", Root);
    ["unable to verify leaf signature"] Names("TP-TLS-015", Root);
    ["signed with an unacceptable key"] Names("TP-TLS-016", Root);
    ["signed with an unacceptable pk alg"] Names("TP-TLS-016", Root);
    ["ee key too small"] Names("TP-TLS-016", Root);
    ["ca md too weak"] Names("TP-TLS-016", Root);
    ["signed with an unacceptable hash"] Names("TP-TLS-050", Named);
    ["baltimore"] Is(Baltimore);
    ["certificate verify failed", "!("] Names("TP-TLS-056", Named);
    ["failed to verify peer certificate"] Names("TP-TLS-056", Named);
    ["wrong version number"] Names("TP-TLS-003", Named);
    ["packet length too long"] Names("TP-TLS-003", Named);
    ["bad server hello message"] Ended(TlsFailed);
    ["a tls error occurred"] Ended(TlsFailed);
    ["tls handshake error", "!: -", "!: 0x"] Ended(TlsFailed);
    ["ssl_connect failed"] Ended(TlsFailed);
    ["no shared cipher"] Names("TP-TLS-020", Root);
    ["peer did not return a certificate"] Names("TP-TLS-026", Root);
    ["unsupported protocol", "ssl"] Names("TP-TLS-021", Named);

    ["> get /"] Step(Requested);
    ["get /", "http/1.1", "!error", "!\"get"] Step(Requested);
    ["http/1.1 101"] Step(Upgraded);
    ["switching protocols"] Step(Upgraded);
    ["websocket connected"] Step(Upgraded);
    ["websocket", "opened"] Step(Upgraded);
    ["http/1.1 1", "!101"] Step(Answering);
    ["get  http/1.1"] Names("TP-UPG-026", Root);
    ["the plain http request was sent to https port"] Names("TP-TLS-048", Root);
    ["error read response for upgrade header"] Ended(Closed);
    ["sec-websocket-accept not found"] Names("TP-UPG-019", Named);
    ["sec-websocket-accept", "mismatch"] Names("TP-UPG-009", Named);
    ["sec-websocket-protocol", "does not match any"] Names("TP-UPG-008", Root);
    ["websocket handshake error, connection not upgraded"] Names("TP-UPG-019", Named);
    ["server sent no subprotocol"] Names("TP-UPG-007", Root);
    ["http server response status: switching"] Step(Upgraded);
    ["captive portal"] Names("TP-UPG-024", Named);
    ["bad connack"] Names("TP-WS-009", Named);
    ["invalid opcode"] Names("TP-WS-008", Named);
    ["function_clause", "text"] Names("TP-WS-010", Named);
    ["the crl is not correctly signed"] Harmless("the line about the CRL stands beside the one about the certificate and is no cause of its own");
};
