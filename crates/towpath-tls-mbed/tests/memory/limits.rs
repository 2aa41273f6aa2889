//! What a build's sizes let in, and what they do not.

use std::io::Write as _;

use towpath_proto::{Code, Fault, tls::Profile};
use towpath_tls_mbed::{Context, capabilities};

use crate::{
    certs::{Template, rsa},
    world::{Pki, TLS12, TLS13, World, builder, profile},
};

/// Both versions with a server whose certificate is about this long.
fn connect(padding: usize, max_fragment: Option<u16>) -> Vec<Result<(), Fault>> {
    let pki = Pki::with(Template {
        padding,
        ..Template::server()
    });
    let roots = [&*pki.root_pem];
    let versions = if max_fragment.is_some() {
        &[TLS12][..]
    } else {
        &[TLS12, TLS13]
    };
    let connect = |versions| {
        let profile = Profile {
            versions: Some(versions),
            max_fragment,
            trace: true,
            ..profile(&roots)
        };
        World::new(&profile, &pki.builder().build()).settle()
    };
    versions.iter().map(|versions| connect(*versions)).collect()
}

#[test]
fn a_certificate_message_that_fits() {
    let buffer = usize::from(capabilities().record_buffer);
    for max_fragment in [None, Some(512), Some(1024)] {
        for result in connect(buffer - 1000, max_fragment) {
            result.unwrap();
        }
    }
}

#[test]
fn a_certificate_message_larger_than_the_buffer() {
    let buffer = usize::from(capabilities().record_buffer);
    // The fragments are small, but the message has to fit all the same.
    for max_fragment in [None, Some(512), Some(1024)] {
        for result in connect(buffer + 500, max_fragment) {
            let fault = result.unwrap_err();
            println!("{fault}");
            assert_eq!(fault.code, Code::TlsMessageTooLarge);
            assert_eq!(fault.number, 0x7100);
            assert!(
                fault
                    .detail
                    .as_str()
                    .ends_with(&format!(" bytes, buffer of {buffer}"))
            );
        }
    }
}

#[test]
fn a_record_larger_than_the_buffer() {
    let buffer = usize::from(capabilities().record_buffer);
    let pki = Pki::new();
    for versions in [TLS12, TLS13] {
        let roots = [&*pki.root_pem];
        let profile = Profile {
            versions: Some(versions),
            ..profile(&roots)
        };
        let mut world = World::new(&profile, &pki.builder().build());
        world.settle().unwrap();
        world.server.write_all(&[0; 16_384]).unwrap();
        let result = world.settle();
        if buffer >= 16_384 {
            result.unwrap();
            continue;
        }
        let fault = result.unwrap_err();
        println!("{fault}");
        assert_eq!(
            (fault.code, fault.number),
            (Code::TlsMessageTooLarge, 0x7100)
        );
    }
}

/// `TOWPATH_MPI` says with which `MBEDTLS_MPI_MAX_SIZE` the library was built, if not with its own.
fn takes_rsa_4096() -> bool {
    std::env::var("TOWPATH_MPI").map_or(true, |size| size.parse::<u32>().unwrap() >= 512)
}

fn number_too_large(fault: Fault) {
    println!("{fault}");
    assert_eq!(
        (fault.code, fault.number),
        (Code::TlsNumberTooLarge, 0x3b00)
    );
}

#[test]
fn a_root_of_rsa_4096() {
    let root = Template {
        key: rsa(4096),
        ..Template::ca("Root")
    };
    let root = root.sign(None);
    let server = Template::server().sign(Some(&root));
    let pem = root.pem();
    let roots = [&*pem];
    let profile = profile(&roots);
    if takes_rsa_4096() {
        World::new(&profile, &builder(&server, &[]).build())
            .settle()
            .unwrap();
    } else {
        number_too_large(Context::new(&profile).unwrap_err());
    }
}

#[test]
fn a_chain_with_rsa_4096() {
    let root = Template::ca("Root").sign(None);
    let middle = Template {
        key: rsa(4096),
        ..Template::ca("Middle")
    };
    let middle = middle.sign(Some(&root));
    let server = Template::server().sign(Some(&middle));
    let pem = root.pem();
    let roots = [&*pem];
    for versions in [TLS12, TLS13] {
        let profile = Profile {
            versions: Some(versions),
            ..profile(&roots)
        };
        let result = World::new(&profile, &builder(&server, &[&middle]).build()).settle();
        if takes_rsa_4096() {
            result.unwrap();
        } else {
            number_too_large(result.unwrap_err());
        }
    }
}
