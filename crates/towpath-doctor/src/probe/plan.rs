//! Which questions separate the causes that a fault may have. A fault comes in with what was answered so far; questions
//! go out, the most telling first.

use towpath_proto::{Code, Rung, tls::Version};

use super::{Change, Probe};
use crate::{
    evidence::{Scheme, Service},
    verdict::{
        case::Case,
        nat64,
        tls::{is_unnamed, secured},
    },
};

/// The segment size of the question whether large packets vanish: what fits the smallest MTU that is met, that of IPv4
/// over old links (576), and the one of Thread.
const SMALL_MSS: u16 = 400;

/// All questions that this fault asks for; also those that were asked already.
pub(super) fn wanted(case: &Case<'_>) -> Vec<Probe> {
    use Code as C;
    let mut probes = match case.fault.code {
        C::NameNotFound
        | C::NoAddress
        | C::ResolverRefused
        | C::ResolverFailed
        | C::ResolverSilent
        | C::AliasLoop
        | C::AnswerMalformed => resolvers(case),
        C::Nat64Silent | C::Nat64NoRoute => translated(case),
        C::Refused | C::ConnectTimeout | C::HostUnreachable | C::NetUnreachable => unopened(case),
        C::TlsTimeout => silent(case),
        C::TlsClosed => closed(case),
        C::NoCommonSuite | C::TlsAlert => refused_hello(case),
        C::NoCommonVersion => versions(case),
        C::UnknownServerName => vec![to_tls(Change::NoServerName)],
        C::NoCommonAlpn => vec![to_tls(Change::NoAlpn)],
        C::ServerCertificateName | C::ServerCertificateUntrusted => unproven(case),
        C::ClientCertificateUnanswered => unanswered(case),
        C::BadRequest | C::NotFound | C::HttpStatus | C::NotHttp | C::UpgradeRequired => {
            wrong_request(case)
        }
        C::Closed | C::Reset => cut(case),
        C::ConnackTimeout => tls_on_this_port(case),
        C::ConnectRefused => login(case),
        C::HubUnauthorized => hub(case),
        C::DpsUnauthorized => vec![Probe::Date],
        C::ProxyTimeout
        | C::ProxyClosed
        | C::ProxyBadGateway
        | C::ProxyStatus
        | C::ProxyRefused
        | C::NotProxy
        | C::SocksFailed => vec![direct(Rung::Tcp)],
        _ => Vec::new(),
    };
    if is_breakable_by_proxy(case) {
        probes.push(direct(case.fault.rung));
    }
    probes
}

const fn climb(change: Change, until: Rung) -> Probe {
    Probe::Climb { change, until }
}

const fn to_tls(change: Change) -> Probe {
    climb(change, Rung::Tls)
}

const fn direct(until: Rung) -> Probe {
    climb(Change::Direct, until)
}

/// A fault above a proxy that may be its doing. Nothing above the upgrade is written for the question.
const fn is_breakable_by_proxy(case: &Case<'_>) -> bool {
    case.is_proxied() && matches!(case.fault.rung, Rung::Tls | Rung::Upgrade)
}

fn resolvers(case: &Case<'_>) -> Vec<Probe> {
    let asked = case.climb.servers_asked(Rung::Dns);
    let fresh = |server: &&std::net::SocketAddr| {
        // A server that was asked after the first may have been asked for one record only; the first has answered.
        asked.first() != Some(*server) && !asked.is_empty()
    };
    let servers = case.settings().resolvers.iter().filter(fresh);
    servers
        .take(3)
        .map(|server| climb(Change::Resolver(*server), Rung::Tcp))
        .collect()
}

fn translated(case: &Case<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    if nat64::given(case).is_some() {
        probes.push(climb(Change::AnnouncedPrefix, Rung::Tcp));
    }
    probes.extend(other_port(case));
    probes
}

fn unopened(case: &Case<'_>) -> Vec<Probe> {
    if case.fault.rung > Rung::Tcp {
        return Vec::new();
    }
    let mut probes = Vec::new();
    if case.settings().bind.is_some() {
        probes.push(climb(Change::AnySource, Rung::Tcp));
    }
    if case.is_proxied() {
        probes.push(direct(Rung::Tcp));
        return probes;
    }
    if case.settings().environment_proxy.is_some() {
        probes.push(climb(Change::EnvironmentProxy, Rung::Proxy));
    }
    probes.extend(other_port(case));
    probes
}

/// The port that most firewalls let through; for one that does not answer on it, that of MQTT over TLS.
fn other_port(case: &Case<'_>) -> Option<Probe> {
    let other = if case.target().port == 443 {
        Change::Transport(Scheme::Mqtts, 8883)
    } else {
        Change::Transport(Scheme::Wss, 443)
    };
    (!case.is_proxied()).then_some(climb(other, Rung::Tcp))
}

/// The server's name, where it is withheld; and the protocol that AWS wants on 443.
fn names(case: &Case<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    let is_name = case.target().host.parse::<std::net::IpAddr>().is_err();
    if is_unnamed(case) && (is_name || case.settings().server_name.is_some()) {
        probes.push(to_tls(Change::ServerName));
    }
    if !case.settings().alpn.is_empty() {
        probes.push(to_tls(Change::NoAlpn));
    } else if case.target().scheme == Scheme::Mqtts && case.target().port == 443 {
        probes.push(to_tls(Change::Alpn("x-amzn-mqtt-ca")));
    }
    probes
}

fn silent(case: &Case<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    if case.settings().mss.is_none_or(|mss| mss > SMALL_MSS) {
        probes.push(to_tls(Change::Mss(SMALL_MSS)));
        // Beside it, so that a server that was only slow is not taken for a path that loses packets.
        probes.push(to_tls(Change::Nothing));
    }
    probes.extend(names(case));
    probes.extend(older(case));
    probes
}

fn closed(case: &Case<'_>) -> Vec<Probe> {
    let mut probes = names(case);
    if case.is_narrowed() {
        probes.push(to_tls(Change::EverySuite));
    }
    probes.extend(older(case));
    if !probes.is_empty() {
        probes.push(to_tls(Change::Nothing));
    }
    if !case.climb.server_speaks_tls() {
        probes.push(Probe::Linger { on: Rung::Tcp });
    }
    probes
}

/// TLS 1.3 does not say inside the handshake what it thinks of the client's certificate: TLS 1.2 does, and a silence after
/// the handshake tells whether it was that at all.
fn unanswered(case: &Case<'_>) -> Vec<Probe> {
    let mut probes = vec![Probe::Linger { on: Rung::Tls }];
    probes.extend(older(case));
    probes
}

/// TLS 1.2, where 1.3 is tried first.
fn older(case: &Case<'_>) -> Option<Probe> {
    let both = case.tls_min() == Version::Tls12 && case.tls_max() == Version::Tls13;
    both.then_some(to_tls(Change::TlsVersion(Version::Tls12)))
}

fn refused_hello(case: &Case<'_>) -> Vec<Probe> {
    let mut probes = names(case);
    if case.is_narrowed() {
        probes.push(to_tls(Change::EverySuite));
    }
    probes
}

fn versions(case: &Case<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    if case.tls_max() == Version::Tls12 {
        probes.push(to_tls(Change::TlsVersion(Version::Tls13)));
    }
    if case.tls_min() == Version::Tls13 {
        probes.push(to_tls(Change::TlsVersion(Version::Tls12)));
    }
    probes
}

/// A certificate that is another's, or of an authority that is not known.
fn unproven(case: &Case<'_>) -> Vec<Probe> {
    let mut probes = names(case);
    probes.retain(|probe| *probe == to_tls(Change::ServerName));
    probes
}

fn wrong_request(case: &Case<'_>) -> Vec<Probe> {
    // Too many requests already, or a ban: another path is none the better.
    if case.fault.code == Code::HttpStatus && matches!(case.fault.number, 429 | 451) {
        return Vec::new();
    }
    let mut probes = tls_on_this_port(case);
    if case.settings().subprotocols.contains(',') {
        probes.push(climb(Change::OneSubprotocol, Rung::Upgrade));
    }
    if case.fault.code == Code::NotHttp {
        return probes;
    }
    let usual: &[&'static str] = match case.target().service {
        Service::Broker => &["/mqtt", "/"],
        Service::Hub | Service::Provisioning => &["/$iothub/websocket"],
    };
    let given = case.target().path.as_str();
    let given = if given.is_empty() { "/" } else { given };
    let others = usual.iter().filter(|path| **path != given);
    probes.extend(others.map(|path| climb(Change::Path(path), Rung::Upgrade)));
    probes
}

/// Whether the port of a plain scheme speaks TLS. The other way round is not asked: it would show in clear text what is
/// meant to be hidden.
fn tls_on_this_port(case: &Case<'_>) -> Vec<Probe> {
    let target = case.target();
    if target.scheme.is_secured() || case.is_proxied() {
        return Vec::new();
    }
    vec![to_tls(Change::Transport(
        secured(target.scheme),
        target.port,
    ))]
}

/// Cut without a word: before anything was sent, or because of it.
fn cut(case: &Case<'_>) -> Vec<Probe> {
    let rung = case.fault.rung;
    if case.climb.reached(Rung::Mqtt) || rung < Rung::Upgrade {
        return Vec::new();
    }
    let mut probes = tls_on_this_port(case);
    let below = match case.target().scheme {
        _ if rung == Rung::Upgrade && case.target().scheme.is_secured() => Rung::Tls,
        _ if rung == Rung::Upgrade => Rung::Tcp,
        Scheme::Mqtt => Rung::Tcp,
        Scheme::Mqtts => Rung::Tls,
        Scheme::Ws | Scheme::Wss => Rung::Ws,
    };
    probes.push(Probe::Linger { on: below });
    if rung == Rung::Upgrade && case.settings().subprotocols.contains(',') {
        probes.push(climb(Change::OneSubprotocol, Rung::Upgrade));
    }
    probes
}

/// CONNACK says no.
fn login(case: &Case<'_>) -> Vec<Probe> {
    if case.is_cloud() {
        return hub(case);
    }
    let target = case.target();
    let anonymous = target.user.is_none() && !target.password;
    // 3.1.1's 2 and 5, as MQTT 5 numbers them. 5 is said of a wrong password too, and that is not sent a second time.
    let may_be_id = match case.fault.number {
        0x85 => true,
        0x87 => !target.password,
        _ => false,
    };
    if may_be_id && (anonymous || target.client_id.is_some()) {
        vec![climb(Change::ClientId, Rung::Mqtt)]
    } else {
        Vec::new()
    }
}

/// The hub has one word for everything: its clock, and its words over HTTP.
fn hub(case: &Case<'_>) -> Vec<Probe> {
    // 3.1.1's 3, 4 and 5, as MQTT 5 numbers them.
    let unclear =
        matches!(case.fault.number, 0x86..=0x89) || case.fault.code == Code::HubUnauthorized;
    if !unclear {
        return Vec::new();
    }
    let mut probes = vec![Probe::Date];
    let target = case.target();
    if target.service == Service::Hub && (target.password || target.client_certificate) {
        probes.push(Probe::Rest);
    }
    probes
}
