//! What the next handshake of a connection is to be like. The crate `openssl` lets nobody change a connection that is
//! there, but for a callback inside a handshake: the one for the name that the client told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openssl::{
    error::ErrorStack,
    ssl::{SslContext, SslContextBuilder, SslVerifyMode},
};

use super::{MUST, certify, plain};
use crate::pki::{Pki, Server};

/// Shared by the context's callback and the dialogue.
#[derive(Clone, Default)]
pub(super) struct Next(Arc<Mutex<Change>>);

#[derive(Default)]
struct Change {
    verify: bool,
    context: Option<SslContext>,
}

impl Next {
    /// Lets the handshakes of this context be changed.
    pub(super) fn govern(&self, builder: &mut SslContextBuilder) {
        let this = self.clone();
        builder.set_servername_callback(move |ssl, _| {
            let change = this.lock();
            if change.verify {
                ssl.set_verify(MUST);
            }
            if let Some(context) = &change.context {
                // It fails only when memory ends, and then the test fails for the certificate that is shown.
                let _ = ssl.set_ssl_context(context);
            }
            Ok(())
        });
    }

    /// The client's certificate is asked for.
    pub(super) fn ask(&self) {
        self.lock().verify = true;
    }

    /// Another certificate is shown.
    pub(super) fn show(&self, pki: &Pki, server: Server) -> Result<(), ErrorStack> {
        let mut builder = plain(SslVerifyMode::NONE)?;
        certify(&mut builder, pki, server)?;
        builder.set_ca_file(pki.devices())?;
        self.lock().context = Some(builder.build());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Change> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
