//! Error numbers of sockets. The same number means different things: newlib and picolibc, and with them Zephyr, NCS and
//! ESP-IDF, count otherwise than Linux from 35 on; Nordic's modem library counted as BSD does up to nRF Connect SDK 1.x.
//! Sources: `errno.h` of newlib, of Zephyr's minimal libc and of Linux, `nrf_errno.h` of nrfxlib.

use super::{Meaning, Row, row, rows};

pub(super) const NEWLIB: &str = "errno of Zephyr, NCS, ESP-IDF";
pub(super) const LINUX: &str = "errno of Linux";
pub(super) const MODEM: &str = "errno of Nordic's modem library before NCS 2";

/// Below 35 everybody counts alike.
const COMMON: &[Row] = rows! {
    1, "EPERM", "not allowed", ["TP-DEV-023"];
    2, "ENOENT", "no such thing; from a socket of Zephyr: no free network context; not to be mixed up with getaddrinfo's -2", ["TP-DEV-006", "TP-DEV-002"];
    4, "EINTR", "interrupted by a signal; call again", [];
    5, "EIO", "the connection failed below; the lines before say how", ["TP-TCP-001", "TP-DEV-023"];
    9, "EBADF", "the descriptor is closed or none", ["TP-DEV-023"];
    11, "EAGAIN", "nothing yet, or nothing came before the receive time-out", ["TP-MQTT-002", "TP-TLS-002"];
    12, "ENOMEM", "no memory: at socket() too few descriptors, contexts or buffers", ["TP-DEV-007", "TP-DEV-008", "TP-DEV-037"];
    13, "EACCES", "not allowed; of a modem: the credential can't be used", ["TP-DEV-018", "TP-DEV-023"];
    16, "EBUSY", "in use", [];
    22, "EINVAL", "an argument is not valid; beside getaddrinfo's -11: no DNS server is configured", ["TP-DEV-003", "TP-DEV-026"];
    23, "ENFILE", "all file descriptors of the system are in use", ["TP-DEV-007"];
    24, "EMFILE", "all file descriptors of the program are in use", ["TP-DEV-007"];
    28, "ENOSPC", "no space left", ["TP-DEV-023"];
    32, "EPIPE", "written to a connection that the peer had closed", ["TP-TCP-001", "TP-MQTT-015"];
};

const ABOVE_NEWLIB: &[Row] = rows! {
    71, "EPROTO", "a message of the protocol is not valid", ["TP-TLS-045"];
    77, "EBADMSG", "a message can't be read", ["TP-MQTT-009"];
    95, "EOPNOTSUPP", "the socket can't do this", ["TP-DEV-004", "TP-DEV-018"];
    96, "EPFNOSUPPORT", "the protocol family is not in the build", ["TP-DEV-005"];
    104, "ECONNRESET", "the peer reset the connection", ["TP-TCP-002", "TP-MQTT-032", "TP-TLS-001"];
    105, "ENOBUFS", "no network buffer is free", ["TP-DEV-006"];
    106, "EAFNOSUPPORT", "the address family is not in the build, or no address was set", ["TP-DEV-005"];
    107, "EPROTOTYPE", "the socket's type is not in the build: TCP is not", ["TP-DEV-001"];
    109, "ENOPROTOOPT", "this socket has no such option", ["TP-DEV-004"];
    111, "ECONNREFUSED", "nothing listens on the port, or the handshake above TCP failed", ["TP-TCP-010", "TP-TLS-001", "TP-DEV-018"];
    112, "EADDRINUSE", "the address is in use", ["TP-DEV-024"];
    113, "ECONNABORTED", "the connection ended: by the peer, or because the TLS handshake failed (Linux calls 113 EHOSTUNREACH)", ["TP-TLS-001", "TP-TCP-001", "TP-TLS-056"];
    114, "ENETUNREACH", "the network can't be reached: no route or no address of this family", ["TP-TCP-012", "TP-ADDR-001"];
    115, "ENETDOWN", "the interface is down", ["TP-ADDR-001"];
    116, "ETIMEDOUT", "nothing came in time", ["TP-TCP-013", "TP-TLS-002", "TP-UPG-002", "TP-MQTT-002", "TP-TCP-015"];
    118, "EHOSTUNREACH", "the host can't be reached", ["TP-TCP-011", "TP-ADDR-004"];
    119, "EINPROGRESS", "no failure: the connection is being made; as a last word it was not made in time", ["TP-TCP-013"];
    120, "EALREADY", "the connection is being made already", [];
    122, "EMSGSIZE", "the message is too large", ["TP-DEV-017"];
    123, "EPROTONOSUPPORT", "the protocol is not in the build: TLS for sockets is not", ["TP-DEV-004"];
    125, "EADDRNOTAVAIL", "this machine does not have the address", ["TP-DEV-024", "TP-ADDR-001"];
    127, "EISCONN", "the socket is connected already", [];
    128, "ENOTCONN", "the socket is not connected any more: the peer closed before", ["TP-TCP-001", "TP-MQTT-015"];
    134, "ENOTSUP", "not supported by this build", ["TP-DEV-004"];
    140, "ECANCELED", "cancelled: by a time-out of the program itself, or because the name could not be resolved", ["TP-DNS-002"];
};

const ABOVE_LINUX: &[Row] = rows! {
    71, "EPROTO", "a message of the protocol is not valid", ["TP-TLS-045"];
    91, "EPROTOTYPE", "the socket's type does not fit the protocol", ["TP-DEV-001"];
    93, "EPROTONOSUPPORT", "the protocol is not supported", ["TP-DEV-004"];
    97, "EAFNOSUPPORT", "the address family is not supported", ["TP-DEV-005", "TP-ADDR-002"];
    99, "EADDRNOTAVAIL", "this machine does not have the address", ["TP-DEV-024", "TP-ADDR-001"];
    100, "ENETDOWN", "the interface is down", ["TP-ADDR-001"];
    101, "ENETUNREACH", "the network can't be reached: no route or no address of this family", ["TP-TCP-012", "TP-ADDR-001"];
    103, "ECONNABORTED", "the connection was given up by this side", ["TP-TCP-001"];
    104, "ECONNRESET", "the peer reset the connection", ["TP-TCP-002", "TP-MQTT-032", "TP-TLS-001"];
    107, "ENOTCONN", "the socket is not connected", ["TP-TCP-001"];
    110, "ETIMEDOUT", "nothing came in time", ["TP-TCP-013", "TP-TLS-002", "TP-UPG-002", "TP-MQTT-002", "TP-TCP-015"];
    111, "ECONNREFUSED", "nothing listens on the port", ["TP-TCP-010"];
    113, "EHOSTUNREACH", "the host can't be reached, or a firewall says so", ["TP-TCP-011", "TP-ADDR-004"];
    115, "EINPROGRESS", "no failure: the connection is being made", [];
    116, "ESTALE", "a stale file handle; with a device's log it is newlib's ETIMEDOUT", [];
};

const ABOVE_MODEM: &[Row] = rows! {
    35, "EAGAIN", "nothing yet", ["TP-MQTT-002"];
    41, "EPROTOTYPE", "the modem does not have what was asked for, such as TLS 1.3 where it has 1.2", ["TP-TLS-021", "TP-DEV-001"];
    43, "EPROTONOSUPPORT", "the protocol is not supported", ["TP-DEV-004"];
    45, "EOPNOTSUPP", "the modem refuses the operation; seen where the credentials of the security tag were gone", ["TP-DEV-018"];
    47, "EAFNOSUPPORT", "the address family is not supported", ["TP-DEV-005"];
    51, "ENETUNREACH", "the network can't be reached", ["TP-TCP-012"];
    54, "ECONNRESET", "the peer reset the connection", ["TP-TCP-002"];
    57, "ENOTCONN", "the socket is not connected", ["TP-TCP-001"];
    60, "ETIMEDOUT", "nothing came in time", ["TP-TCP-013", "TP-TLS-002"];
    61, "ECONNREFUSED", "nothing listens on the port", ["TP-TCP-010"];
};

/// What a number means where it is an errno, without its sign; devices first, because they print numbers.
pub(super) fn number(number: u32) -> Vec<Meaning> {
    let mut meanings: Vec<Meaning> = Vec::new();
    for (system, table) in TABLES {
        for found in table.iter().filter(|found| found.0 == number) {
            match meanings.iter_mut().find(|known| known.name == found.1) {
                // Said once, for both.
                Some(known) => known.also(system),
                None => meanings.push(row(system, found)),
            }
        }
    }
    meanings
}

/// Every table with what it is called.
pub(super) const TABLES: &[(&str, &[Row])] = &[
    ("errno", COMMON),
    (NEWLIB, ABOVE_NEWLIB),
    (LINUX, ABOVE_LINUX),
    (MODEM, ABOVE_MODEM),
];
