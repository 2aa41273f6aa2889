//! A path that swallows large packets and says nothing.

use net::Lab;

/// From now on the link to the device carries 1280 bytes, and the router may not say so to anybody.
///
/// # Panics
/// If it can't be set up.
pub fn narrow(lab: &Lab) {
    lab.router.ip("link set lan mtu 1280");
    lab.router.nft(
        "add table inet mute\n\
         add chain inet mute out { type filter hook output priority 0 ; }\n\
         add chain inet mute through { type filter hook forward priority 0 ; }\n\
         add rule inet mute out icmpv6 type packet-too-big drop\n\
         add rule inet mute through icmpv6 type packet-too-big drop\n\
         add rule inet mute out icmp type destination-unreachable icmp code frag-needed drop\n\
         add rule inet mute through icmp type destination-unreachable icmp code frag-needed drop\n",
    );
}
