//! What the resolvers of names return: `dns_resolve_status` of Zephyr, which its getaddrinfo returns too, `EAI_*` of glibc
//! and lwIP, and the errors of OpenThread, whose DNS client and CLI print them.

use super::{Row, rows};

const ZEPHYR: &[Row] = rows! {
    1, "DNS_EAI_BADFLAGS", "the hints for the lookup are not valid", ["TP-DNS-010"];
    2, "DNS_EAI_NONAME", "the name is unknown; for every name: no resolver is in the build, so only literals are taken", ["TP-DEV-002", "TP-DNS-005"];
    3, "DNS_EAI_AGAIN", "no answer now", ["TP-DNS-002"];
    4, "DNS_EAI_FAIL", "the server's answer is an error or can't be used; of one of two questions (A and AAAA) it is no failure while the other is answered", ["TP-DNS-004", "TP-DNS-003"];
    5, "DNS_EAI_NODATA", "the name exists without an address of this family", ["TP-DNS-006", "TP-NAT64-001"];
    6, "DNS_EAI_FAMILY", "the address family is not supported", ["TP-DEV-005", "TP-DEV-033"];
    7, "DNS_EAI_SOCKTYPE", "the socket type is not supported", ["TP-DEV-001"];
    8, "DNS_EAI_SERVICE", "the port is not valid", [];
    10, "DNS_EAI_MEMORY", "no memory, or no free slot for a query", ["TP-DEV-006"];
    11, "DNS_EAI_SYSTEM", "the reason is in errno: EINVAL where no DNS server is configured, ENOENT where none can be reached", ["TP-DEV-003", "TP-DNS-001", "TP-DNS-002"];
    12, "DNS_EAI_OVERFLOW", "the answer does not fit", ["TP-DNS-009"];
    100, "DNS_EAI_INPROGRESS", "no failure: an address has come, more may", [];
    101, "DNS_EAI_CANCELED", "the query was cancelled, or no server answered in time", ["TP-DNS-002"];
    102, "DNS_EAI_NOTCANCELED", "there was no query to cancel", [];
    103, "DNS_EAI_ALLDONE", "no failure: the lookup has ended and all addresses have come", [];
};

const GLIBC: &[Row] = rows! {
    2, "EAI_NONAME", "the name does not exist", ["TP-DNS-005"];
    3, "EAI_AGAIN", "no DNS server answered, or none is configured", ["TP-DNS-002", "TP-DNS-001"];
    4, "EAI_FAIL", "the DNS server failed", ["TP-DNS-004", "TP-DNS-003"];
    5, "EAI_NODATA", "the name exists without an address", ["TP-DNS-006"];
    6, "EAI_FAMILY", "the address family is not supported", ["TP-ADDR-002"];
    9, "EAI_ADDRFAMILY", "the name has no address of this family", ["TP-DNS-006", "TP-ADDR-002"];
    10, "EAI_MEMORY", "no memory", [];
    11, "EAI_SYSTEM", "the reason is in errno", ["TP-DNS-001"];
};

/// `lwip/netdb.h`, which ESP-IDF prints.
const LWIP: &[Row] = rows! {
    200, "EAI_NONAME", "the name is empty or not valid", ["TP-DNS-010"];
    201, "EAI_SERVICE", "the port is not valid", [];
    202, "EAI_FAIL", "the lookup failed: no network yet, no DNS server, no answer, or no such name; lwIP has one number for all of them", ["TP-DNS-002", "TP-DNS-005", "TP-DNS-003", "TP-DNS-012", "TP-ADDR-005"];
    203, "EAI_MEMORY", "no memory", ["TP-DEV-008"];
    204, "EAI_FAMILY", "the address family is not in the build", ["TP-DEV-005"];
};

/// `openthread/error.h`.
const OPENTHREAD: &[Row] = rows! {
    1, "Failed", "the operation failed", [];
    3, "NoBufs", "no message buffer is free", ["TP-DEV-006"];
    4, "NoRoute", "no route: the Thread network data has none for this address", ["TP-ADDR-003", "TP-NAT64-005"];
    7, "InvalidArgs", "an argument is not valid, or the DNS client may not use NAT64", [];
    10, "NoAddress", "this node has no address for it", ["TP-ADDR-001"];
    11, "Abort", "the operation was aborted", [];
    13, "InvalidState", "not possible now: there is no NAT64 prefix in the Thread network data, or the node is not attached", ["TP-NAT64-001", "TP-ADDR-003"];
    16, "Detached", "this node is attached to no Thread network", ["TP-ADDR-001"];
    23, "NotFound", "nothing was found; of the DNS client: no such name or no NAT64 prefix", ["TP-DNS-005", "TP-NAT64-001"];
    24, "Already", "that is so already", [];
    28, "ResponseTimeout", "no answer came: no default route out of the Thread network, a border router without NAT64, or a DNS server that is silent", ["TP-ADDR-003", "TP-NAT64-004", "TP-DNS-002"];
    35, "InvalidCommand", "the CLI has no such command in this build", [];
    37, "Rejected", "the peer rejected it", [];
};

pub(super) const SYSTEM_ZEPHYR: &str = "getaddrinfo of Zephyr";
pub(super) const SYSTEM_GLIBC: &str = "getaddrinfo of Linux";
pub(super) const SYSTEM_LWIP: &str = "getaddrinfo of lwIP (ESP-IDF)";
pub(super) const SYSTEM_OPENTHREAD: &str = "OpenThread";

/// Every table with what it is called. The signs are left out: those of lwIP and OpenThread are printed without one.
pub(super) const TABLES: &[(&str, &[Row])] = &[
    (SYSTEM_ZEPHYR, ZEPHYR),
    (SYSTEM_GLIBC, GLIBC),
    (SYSTEM_LWIP, LWIP),
    (SYSTEM_OPENTHREAD, OPENTHREAD),
];
