/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SCPI instrument's front: takes bytes, finds the command, keeps the IEEE 488.2 status registers and the
 * error queue. Knows no hardware: the instrument brings a table of commands and a function to send a byte.
 */
#ifndef VKBENCH_SCPI_H
#define VKBENCH_SCPI_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCPI_LINE_SIZE 256  /* a line has at most one byte less, without its end */
#define SCPI_ARGS_MAX 4
#define SCPI_ERRORS_MAX 16
#define SCPI_COMMANDS_MAX 96

/* SCPI-99 volume 2, chapter 21.8. */
enum scpi_error {
    SCPI_NO_ERROR = 0,
    SCPI_SYNTAX_ERROR = -102,
    SCPI_DATA_TYPE = -104,
    SCPI_TOO_MANY = -108,
    SCPI_MISSING = -109,
    SCPI_UNDEFINED_HEADER = -113,
    SCPI_NUMBER_CHARACTER = -121,
    SCPI_INVALID_STRING = -151,
    SCPI_TRIGGER_IGNORED = -211,
    SCPI_INIT_IGNORED = -213,
    SCPI_SETTINGS_CONFLICT = -221,
    SCPI_OUT_OF_RANGE = -222,
    SCPI_TOO_MUCH_DATA = -223,
    SCPI_ILLEGAL_VALUE = -224,
    SCPI_DATA_STALE = -230,
    SCPI_HARDWARE_ERROR = -240,
    SCPI_QUEUE_OVERFLOW = -350,
    SCPI_LINE_TOO_LONG = -363
};

/* Standard Event Status Register (IEEE 488.2, 11.5.1) and Status Byte (11.2). */
#define SCPI_ESR_OPC 0x01u
#define SCPI_ESR_QYE 0x04u
#define SCPI_ESR_DDE 0x08u
#define SCPI_ESR_EXE 0x10u
#define SCPI_ESR_CME 0x20u
#define SCPI_ESR_PON 0x80u
#define SCPI_STB_EAV 0x04u
#define SCPI_STB_MAV 0x10u
#define SCPI_STB_ESB 0x20u
#define SCPI_STB_MSS 0x40u

struct scpi;

struct scpi_command {
    const char *header;               /* "TRIGger:SOURce?": capitals are the short form */
    void (*run)(struct scpi *scpi);
    uint8_t args_min, args_max;       /* number of parameters */
};

struct scpi_arg {
    const char *text;  /* in the line; a string with its quotes */
    size_t length;
};

struct scpi {
    const struct scpi_command *commands;
    size_t command_count;
    uint32_t hashes[SCPI_COMMANDS_MAX];  /* of the headers: most are told apart without comparing letters */
    void (*send)(char byte);
    void (*clear_instrument)(void);   /* *RST */

    char line[SCPI_LINE_SIZE];
    size_t line_length;
    bool line_overflow;
    bool replied;                     /* this line has an answer already: the next one follows a ';' */
    struct scpi_arg args[SCPI_ARGS_MAX];
    size_t arg_count;

    int16_t errors[SCPI_ERRORS_MAX];
    size_t error_first, error_count;
    uint8_t esr, ese, sre;
};

/** Sets everything to the state after power-on. Pointers stay in use; at most SCPI_COMMANDS_MAX commands. */
void scpi_init(struct scpi *scpi, const struct scpi_command *commands, size_t command_count,
               void (*send)(char byte), void (*clear_instrument)(void));

/** Takes one byte from the client; at the end of a line the commands in it are run and answered. */
void scpi_receive(struct scpi *scpi, char byte);

/** Queues an error and sets its bit in the Standard Event Status Register. */
void scpi_fail(struct scpi *scpi, enum scpi_error error);

/* For commands: parameters. Each returns false after scpi_fail when the parameter is not as it must be. */
bool scpi_arg_u64(struct scpi *scpi, size_t index, uint64_t min, uint64_t max, uint64_t *value);
bool scpi_arg_bool(struct scpi *scpi, size_t index, bool *value);
/** One of count keywords (as in headers: "CONSole"); *value is its place in the list. */
bool scpi_arg_keyword(struct scpi *scpi, size_t index, const char *const *keywords, size_t count,
                      size_t *value);
/** A quoted string, without its quotes, at most size bytes; no NUL is added. */
bool scpi_arg_string(struct scpi *scpi, size_t index, char *out, size_t size, size_t *length);

/* For commands: answers. scpi_reply begins one; the others add to it. */
void scpi_reply(struct scpi *scpi);
void scpi_put(struct scpi *scpi, const char *text);
void scpi_put_bytes(struct scpi *scpi, const char *bytes, size_t length);
void scpi_put_u64(struct scpi *scpi, uint64_t value);
void scpi_put_hex(struct scpi *scpi, uint64_t value);  /* with #H */
/** Whole answers of one value. */
void scpi_reply_text(struct scpi *scpi, const char *text);
void scpi_reply_u64(struct scpi *scpi, uint64_t value);

/* The common commands and SYSTem:ERRor, for the instrument's table. */
void scpi_cls(struct scpi *scpi);
void scpi_ese(struct scpi *scpi);
void scpi_ese_query(struct scpi *scpi);
void scpi_esr_query(struct scpi *scpi);
void scpi_opc(struct scpi *scpi);
void scpi_opc_query(struct scpi *scpi);
void scpi_rst(struct scpi *scpi);
void scpi_sre(struct scpi *scpi);
void scpi_sre_query(struct scpi *scpi);
void scpi_stb_query(struct scpi *scpi);
void scpi_wai(struct scpi *scpi);
void scpi_error_query(struct scpi *scpi);
void scpi_error_count_query(struct scpi *scpi);
void scpi_version_query(struct scpi *scpi);

#define SCPI_COMMON_COMMANDS                                 \
    {"*CLS", scpi_cls, 0, 0},                                \
    {"*ESE", scpi_ese, 1, 1},                                \
    {"*ESE?", scpi_ese_query, 0, 0},                         \
    {"*ESR?", scpi_esr_query, 0, 0},                         \
    {"*OPC", scpi_opc, 0, 0},                                \
    {"*OPC?", scpi_opc_query, 0, 0},                         \
    {"*RST", scpi_rst, 0, 0},                                \
    {"*SRE", scpi_sre, 1, 1},                                \
    {"*SRE?", scpi_sre_query, 0, 0},                         \
    {"*STB?", scpi_stb_query, 0, 0},                         \
    {"*WAI", scpi_wai, 0, 0},                                \
    {"SYSTem:ERRor?", scpi_error_query, 0, 0},               \
    {"SYSTem:ERRor:NEXT?", scpi_error_query, 0, 0},          \
    {"SYSTem:ERRor:COUNt?", scpi_error_count_query, 0, 0},   \
    {"SYSTem:VERSion?", scpi_version_query, 0, 0}

#endif
