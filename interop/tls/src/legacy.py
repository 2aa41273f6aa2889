"""A GnuTLS server without RFC 5746 that asks for a renegotiation once it has read a request, or answers CONNECT.

legacy.py PORT CHAIN KEY ask|serve

GnuTLS is the one library at hand that can still leave the extension out; its own gnutls-serv asks only at the word of
the client.
"""

import ctypes
import socket
import sys

PRIORITY = b"NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION"
SERVER, CREDENTIALS_CERTIFICATE, PEM = 1, 1, 1
E_AGAIN, E_INTERRUPTED, E_WARNING_ALERT, E_REHANDSHAKE = -28, -52, -16, -37
CONNACK = {4: bytes((0x20, 2, 0, 0)), 5: bytes((0x20, 3, 0, 0, 0))}

gnutls = ctypes.CDLL("libgnutls.so.30")
gnutls.gnutls_strerror.restype = ctypes.c_char_p
gnutls.gnutls_record_recv.restype = ctypes.c_ssize_t
gnutls.gnutls_transport_set_int2.restype = None


def say(text):
    print(text, flush=True)


def check(answer, what):
    if answer < 0:
        raise OSError(f"{what}: {gnutls.gnutls_strerror(answer).decode()}")
    return answer


def settled(call, what):
    """Calls until it is more than an interruption."""
    while (answer := call()) in (E_AGAIN, E_INTERRUPTED):
        pass
    return check(answer, what)


def receive(session, space):
    while True:
        n = gnutls.gnutls_record_recv(session, space, ctypes.c_size_t(len(space)))
        if n not in (E_AGAIN, E_INTERRUPTED):
            return n


def talk(session, ask):
    space = ctypes.create_string_buffer(4096)
    settled(lambda: gnutls.gnutls_handshake(session), "handshake")
    say(f"safe renegotiation: {gnutls.gnutls_safe_renegotiation_status(session)}")
    came = receive(session, space)
    if came <= 0:
        return
    if not ask:
        answer = CONNACK[space.raw[8]]
        gnutls.gnutls_record_send(session, answer, ctypes.c_size_t(len(answer)))
        while receive(session, space) > 0:
            pass
        return
    settled(lambda: gnutls.gnutls_rehandshake(session), "HelloRequest")
    say("asked")
    while True:
        came = receive(session, space)
        if came == E_REHANDSHAKE:
            settled(lambda: gnutls.gnutls_handshake(session), "renegotiation")
            say("renegotiated")
        elif came == E_WARNING_ALERT:
            say(f"warning {gnutls.gnutls_alert_get(session)}")
            return
        elif came <= 0:
            check(came, "receiving")
            return


def main():
    port, chain, key, what = sys.argv[1:]
    credentials, priority = ctypes.c_void_p(), ctypes.c_void_p()
    check(gnutls.gnutls_certificate_allocate_credentials(ctypes.byref(credentials)), "credentials")
    loaded = gnutls.gnutls_certificate_set_x509_key_file(credentials, chain.encode(), key.encode(), PEM)
    check(loaded, "certificate")
    check(gnutls.gnutls_priority_init(ctypes.byref(priority), PRIORITY, None), "priority")
    listener = socket.create_server(("127.0.0.1", int(port)))
    while True:
        stream, _ = listener.accept()
        session = ctypes.c_void_p()
        check(gnutls.gnutls_init(ctypes.byref(session), SERVER), "session")
        check(gnutls.gnutls_priority_set(session, priority), "priority")
        check(gnutls.gnutls_credentials_set(session, CREDENTIALS_CERTIFICATE, credentials), "credentials")
        gnutls.gnutls_transport_set_int2(session, stream.fileno(), stream.fileno())
        try:
            talk(session, what == "ask")
        except OSError as error:
            say(error)
        gnutls.gnutls_deinit(session)
        stream.close()


main()
