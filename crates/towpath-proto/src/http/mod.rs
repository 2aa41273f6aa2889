//! What HTTP/1.1 needs on this path: the head of a message (RFC 9112 sections 2 to 5), no bodies.

pub mod head;
