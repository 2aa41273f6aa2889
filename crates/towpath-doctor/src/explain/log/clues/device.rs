//! Lines about the device itself: build, memory, credentials, clock.

use super::{Clue, clues};
use crate::explain::log::fact::{
    Says::{Harmless, Is, Names, Step},
    Step::Booted,
    Trait::{ClientCertificate, ClockSet, ClockUnset, Modem, OneSuite, StoredAssignment},
    Weight::{Named, Root},
};

pub(super) const CLUES: &[Clue] = clues! {
    ["*** booting"] Step(Booted);
    ["cpu_start: starting scheduler"] Step(Booted);
    ["cpu_start: pro cpu up"] Step(Booted);
    ["main_task: calling app_main()"] Step(Booted);

    ["(damaged frame of defmt,"] Harmless("a frame of defmt can't be read: bytes were lost on the way, or something else \
        writes to the same port");

    ["stream socket type disabled"] Names("TP-DEV-001", Root);
    ["eprototype"] Names("TP-DEV-001", Named);
    ["protocol wrong type for socket"] Names("TP-DEV-001", Named);
    ["no dns servers defined"] Names("TP-DEV-003", Root);
    ["eprotonosupport"] Names("TP-DEV-004", Named);
    ["protocol not supported"] Names("TP-DEV-004", Named);
    ["there are no transports valid", "config scheme = mqtts"] Names("TP-DEV-004", Root);
    ["epfnosupport"] Names("TP-DEV-005", Named);
    ["eafnosupport"] Names("TP-DEV-005", Named);
    ["address family not supported"] Names("TP-DEV-005", Named);
    ["not enough connection contexts"] Names("TP-DEV-006", Root);
    ["consider increasing config_net_max_conn"] Names("TP-DEV-006", Root);
    ["config_net_max_contexts"] Names("TP-DEV-006", Root);
    ["config_posix_max_fds"] Names("TP-DEV-007", Root);
    ["config_zvfs_open_max"] Names("TP-DEV-007", Root);
    ["too many open files"] Names("TP-DEV-007", Root);
    ["enfile"] Names("TP-DEV-007", Named);
    ["emfile"] Names("TP-DEV-007", Named);
    ["no server verification option set"] Names("TP-DEV-011", Root);
    ["failed to parse ca certificate"] Names("TP-DEV-012", Root);
    ["failed to parse", "certificate", "!peer"] Names("TP-DEV-012", Named);
    ["error parsing certificate"] Names("TP-DEV-012", Named);
    ["psa_generate_key() returned"] Names("TP-DEV-013", Root);
    ["psa_generate_key", "-27648"] Names("TP-DEV-013", Root);
    ["got no ciphersuites in common"] Names("TP-DEV-015", Root);
    ["client hello, got 0 cipher"] Names("TP-DEV-015", Root);
    ["client hello, got 1 cipher"] Is(OneSuite);
    ["there are no transports valid", "config scheme = ws"] Names("TP-DEV-016", Root);
    ["lwmqtt_buffer_too_short"] Names("TP-DEV-017", Root);
    ["sec_tag", "not found"] Names("TP-DEV-018", Root);
    ["sec tag", "not found"] Names("TP-DEV-018", Root);
    ["credential", "missing"] Names("TP-DEV-018", Root);
    ["failed to allocate tls context"] Names("TP-DEV-037", Root);
    ["mbedtls_ctr_drbg_seed", "returned"] Names("TP-DEV-039", Root);
    ["psa_crypto_init", "fail"] Names("TP-DEV-039", Root);
    ["entropy source failed"] Names("TP-DEV-039", Root);
    ["write_client_hello", "returned -"] Names("TP-DEV-039", Named);
    ["ws_buffer_size"] Names("TP-DEV-040", Root);
    ["error in request generation, desired request len"] Names("TP-DEV-040", Root);

    ["nrf_modem"] Is(Modem);
    ["lte_lc"] Is(Modem);
    ["nrf9160"] Is(Modem);
    ["nrf9151"] Is(Modem);
    ["nrf9161"] Is(Modem);
    ["modem_info"] Is(Modem);
    ["at%"] Is(Modem);
    ["skipping dps"] Is(StoredAssignment);
    ["nov 30", "1999"] Is(ClockUnset);
    [" 1970"] Is(ClockUnset);
    ["1970-01-01"] Is(ClockUnset);
    ["1980-01-06"] Is(ClockUnset);
    ["no valid date-time"] Is(ClockUnset);
    ["time is not set"] Is(ClockUnset);
    ["time not set"] Is(ClockUnset);
    ["system time is not"] Is(ClockUnset);
    ["notification of a time synchronization event"] Is(ClockSet);
    ["time synchronized"] Is(ClockSet);
    ["date_time_obtained"] Is(ClockSet);
    ["sntp", "got time"] Is(ClockSet);
    ["client certificate", "!missing", "!required"] Is(ClientCertificate);
    ["x.509"] Is(ClientCertificate);
};
