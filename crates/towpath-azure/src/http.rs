//! One exchange over HTTP/1.1 (RFC 9110, RFC 9112), without I/O: a request to write, an answer to read.
//!
//! Takes in what to ask and the bytes that come; gives out the bytes to send and the answer piece by piece, the body as
//! slices of what was fed. It is what uploads and downloads need and no more: one request after the other on
//! a connection, no compression, no cookies.

mod request;
mod response;
#[cfg(test)]
mod tests;
mod url;

pub use self::{
    request::{Range, Request, Unwritable},
    response::{Answer, ContentRange, Problem, Response, Step},
    url::{Url, UrlError, host_and_port},
};
