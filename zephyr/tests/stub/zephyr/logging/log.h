#ifndef STUB_LOG_H
#define STUB_LOG_H

void stub_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define LOG_MODULE_REGISTER(name, level) enum { stub_log_level_of_##name = level }
#define LOG_WRN(...) stub_log(__VA_ARGS__)
#define LOG_DBG(...) stub_log(__VA_ARGS__)

#endif
