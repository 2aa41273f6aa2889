/*
 * The board mps2-an505 for a program in C: one TCP connection over IPv4, a clock, random numbers, settings, a console.
 * The program is `int application(void)`; what it returns is the exit status of the emulator.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Waits for an address by DHCP, then for the connection to an IPv4 address such as "10.0.2.2", until the time has come.
 * 0, or the cause as a towpath_cause. */
int board_open(const char *address, uint16_t port, uint64_t until_ms);

/* How many of the bytes were taken, without waiting; -1 if the connection is reset or closed. */
int32_t board_send(const uint8_t *data, size_t len);

/* How many bytes have come into the room, without waiting; -1 at the end of the stream, -2 if it is reset. */
int32_t board_receive(uint8_t *room, size_t len);

/* Waits until bytes have come, or some can be sent if that is wanted, or the connection ends, or until then. */
void board_wait(uint64_t until_ms, bool sending);

/* Ends the connection, if there is one. */
void board_close(void);

/* Milliseconds since the start. */
uint64_t board_now_ms(void);

/* Fills the room with random numbers. */
void board_random(uint8_t *room, size_t len);

/* The setting of this name into the room, with a zero at its end; false if there is none, or no room for it. */
bool board_setting(const char *name, char *room, size_t len);

/* A line on the console. */
void board_say(const char *line);

/* The most bytes that the stack has had. */
size_t board_stack(void);

/* The start-up code calls this once the board is ready. */
int application(void);

#endif
