//! Lines about addresses, names, NAT64, TCP and proxies.

use super::{Clue, clues};
use crate::explain::log::fact::{
    Says::{Ended, Harmless, Is, Names, Step},
    Step::{Address, Connecting, DnsAsked, DnsDone, TcpOpen},
    Symptom::{Closed, Failed, NetUnreachable, NoName, Refused, Reset, Timeout, Unreachable},
    Trait::{DnsServer4, EcnSyn, Ipv4, Ipv6, NamesWork, Ppp, Proxy, SynAnswered, Thread},
    Weight::{Doubt, Named, Root},
};

pub(super) const CLUES: &[Clue] = clues! {
    ["net_dhcpv4: received:"] Step(Address);
    ["net_dhcpv4: received:"] Is(Ipv4);
    ["ipv4 address:"] Step(Address);
    ["ipv4 address:"] Is(Ipv4);
    ["sta ip:"] Step(Address);
    ["sta ip:"] Is(Ipv4);
    ["got ip:"] Step(Address);
    ["got ip:"] Is(Ipv4);
    ["got ipv4"] Is(Ipv4);
    ["got ipv6"] Step(Address);
    ["got ipv6"] Is(Ipv6);
    ["ipv6 address:"] Step(Address);
    ["ipv6 address:"] Is(Ipv6);
    ["network connectivity established"] Step(Address);
    ["pdn connection", "activated"] Step(Address);
    ["network registration status: connected"] Step(Address);
    ["openthread"] Is(Thread);
    ["state", "leader"] Is(Thread);
    ["ot-ctl"] Is(Thread);
    ["net_openthread"] Is(Thread);
    ["ppp"] Is(Ppp);
    ["ipcp"] Is(Ppp);

    ["resolving", "!error"] Step(DnsAsked);
    ["dns resolved"] Step(DnsDone);
    ["dns resolved"] Is(NamesWork);
    ["resolved to"] Step(DnsDone);
    ["resolved to"] Is(NamesWork);
    ["ipv4 address found"] Step(DnsDone);
    ["ipv4 address found"] Is(NamesWork);
    ["ipv6 address found"] Step(DnsDone);
    ["dns recv error (-103)"] Harmless("DNS recv error (-103) is no failure: -103 is DNS_EAI_ALLDONE, the lookup has ended and all addresses have come. Later versions of Zephyr do not print it");
    ["dns recv error (-4)"] Names("TP-DNS-004", Doubt);
    ["dns recv error (-4)"] Harmless("DNS recv error (-4) is not the fault: it is DNS_EAI_FAIL for one of two questions (A and AAAA), and the connection went on, so the other was answered");
    ["error resolving broker ip address: -6"] Names("TP-DEV-033", Root);
    ["couldn't get hostname"] Ended(NoName);
    ["lookup error"] Ended(NoName);
    ["name or service not known"] Names("TP-DNS-005", Named);
    ["nodename nor servname provided"] Names("TP-DNS-005", Named);
    ["temporary failure in name resolution"] Names("TP-DNS-002", Named);
    ["no address associated with hostname"] Names("TP-DNS-006", Named);
    ["getaddrinfo enotfound"] Names("TP-DNS-005", Named);
    ["getaddrinfo eai_again"] Names("TP-DNS-002", Named);
    ["nxdomain"] Names("TP-DNS-005", Named);
    ["dropped malformed message", "unexpected end of input"] Names("TP-DNS-009", Root);
    ["dns server", ": 8.8.8.8"] Is(DnsServer4);
    ["dns server", ": 1.1.1.1"] Is(DnsServer4);
    ["dns server", ": 9.9.9.9"] Is(DnsServer4);
    ["dns", "getaddrinfo", "timed out"] Names("TP-DNS-002", Named);
    ["cannot resolve", "!error: -"] Ended(NoName);

    ["no nat64 prefix"] Names("TP-NAT64-001", Root);

    ["attempting to connect"] Step(Connecting);
    ["connecting to", "!websocket", "!the network", "!wi-fi", "!wifi"] Step(Connecting);
    ["flags [sew]"] Is(EcnSyn);
    ["[syn, ece, cwr]"] Is(EcnSyn);
    ["[syn, ecn, cwr]"] Is(EcnSyn);
    ["syn", "ecn", "cwr"] Is(EcnSyn);
    ["flags [s.]"] Is(SynAnswered);
    ["flags [s.e]"] Is(SynAnswered);
    ["[syn, ack"] Is(SynAnswered);
    ["socket connecting"] Step(Connecting);
    ["tcp connected"] Step(TcpOpen);
    ["connected to server, starting tls"] Step(TcpOpen);
    ["connection refused", "!, ", "!code", "!not auth", "!: not", "!bad user", "!(code"] Ended(Refused);
    ["econnrefused"] Ended(Refused);
    ["connection reset by peer"] Ended(Reset);
    ["econnreset"] Ended(Reset);
    ["connection timed out"] Ended(Timeout);
    ["etimedout"] Ended(Timeout);
    ["er_timeout"] Ended(Timeout);
    ["connect failure 10060"] Ended(Timeout);
    ["select() timeout"] Ended(Timeout);
    ["timed out", "!harmless", "!connack", "!ping"] Ended(Timeout);
    ["host is unreachable"] Ended(Unreachable);
    ["no route to host"] Ended(Unreachable);
    ["ehostunreach"] Ended(Unreachable);
    ["network is unreachable"] Ended(NetUnreachable);
    ["enetunreach"] Ended(NetUnreachable);
    ["econnaborted"] Ended(Closed);
    ["software caused connection abort"] Ended(Closed);
    ["connection closed by"] Ended(Closed);
    ["unexpected eof"] Ended(Closed);
    ["unexpectedeof"] Ended(Closed);
    ["transport_read(): eof"] Ended(Closed);
    ["socket is not connected"] Ended(Closed);
    ["remote host closed"] Ended(Closed);
    ["socket hang up"] Ended(Closed);
    ["broken pipe"] Ended(Closed);
    ["error transport connect"] Ended(Failed);
    ["failed to open a new connection"] Ended(Failed);
    ["mqtt_connect", "fail"] Ended(Failed);

    ["proxy_data"] Is(Proxy);
    ["proxyoptions"] Is(Proxy);
    ["http_proxy"] Is(Proxy);
    ["https_proxy"] Is(Proxy);
    ["httpproxy"] Is(Proxy);
    ["using proxy"] Is(Proxy);
    ["proxy authentication required"] Names("TP-PROXY-006", Named);
    ["zscaler"] Names("TP-PROXY-014", Root);
    ["sslinspect"] Names("TP-PROXY-014", Root);
    ["fortinet"] Names("TP-PROXY-014", Root);
    ["fortigate"] Names("TP-PROXY-014", Root);
    ["netskope"] Names("TP-PROXY-014", Root);
};
