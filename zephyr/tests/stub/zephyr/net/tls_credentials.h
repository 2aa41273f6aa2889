#ifndef STUB_TLS_CREDENTIALS_H
#define STUB_TLS_CREDENTIALS_H

typedef int sec_tag_t;

#endif
