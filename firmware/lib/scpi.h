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

#define SCPI_LINE_SIZE 2560  /* a line has at most one byte less, without its end */
#define SCPI_ARGS_MAX 12
#define SCPI_ERRORS_MAX 16
#define SCPI_COMMANDS_MAX 144
/** Ctrl-C from the client is a device clear, as on other instruments with a serial port. */
#define SCPI_DEVICE_CLEAR '\x03'

/* SCPI-99 volume 2, chapter 21.8. */
enum scpi_error {
    SCPI_NO_ERROR = 0,
    SCPI_SYNTAX_ERROR = -102,
    SCPI_DATA_TYPE = -104,
    SCPI_TOO_MANY = -108,
    SCPI_MISSING = -109,
    SCPI_UNDEFINED_HEADER = -113,
    SCPI_SUFFIX_RANGE = -114,
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
    SCPI_LINE_TOO_LONG = -363,
    SCPI_QUERY_AFTER_INDEFINITE = -440
};

/* Standard Event Status Register (IEEE 488.2, 11.5.1) and Status Byte (11.2). */
#define SCPI_ESR_OPC 0x01u
#define SCPI_ESR_QYE 0x04u
#define SCPI_ESR_DDE 0x08u
#define SCPI_ESR_EXE 0x10u
#define SCPI_ESR_CME 0x20u
#define SCPI_ESR_PON 0x80u
#define SCPI_STB_EAV 0x04u
#define SCPI_STB_QUES 0x08u
#define SCPI_STB_MAV 0x10u
#define SCPI_STB_ESB 0x20u
#define SCPI_STB_MSS 0x40u
#define SCPI_STB_OPER 0x80u

/** SCPI-99 volume 1, chapter 9: the two status groups of every instrument. */
enum scpi_group { SCPI_OPERATION, SCPI_QUESTIONABLE, SCPI_GROUPS };

struct scpi;

struct scpi_command {
    /* "TRIGger:TERM<8>:SOURce?": capitals are the short form; TERM has a suffix of 1 (left out) to 8. */
    const char *header;
    void (*run)(struct scpi *scpi);
    uint8_t args_min, args_max;       /* number of parameters */
};

struct scpi_queued {
    int16_t code;
    const char *detail;               /* NULL: none */
    uint32_t values[3];               /* for the detail's places */
};

struct scpi_arg {
    const char *text;  /* in the line; a string with its quotes */
    size_t length;
};

struct scpi {
    const struct scpi_command *commands;
    size_t command_count;
    uint16_t hashes[SCPI_COMMANDS_MAX];  /* of the headers: most are told apart without comparing letters */
    void (*send)(char byte);
    void (*clear_instrument)(void);   /* *RST */

    char line[SCPI_LINE_SIZE];
    size_t line_length;
    bool line_overflow;
    bool replied;                     /* this line has an answer already: the next one follows a ';' */
    struct scpi_arg args[SCPI_ARGS_MAX];
    size_t arg_count;
    uint32_t suffix;                  /* of the header, 1 and up */
    bool indefinite;                  /* only the line's end ends this line's answer: nothing may follow it */
    bool cleared;                     /* device clear while a command ran: the rest of the line is void */

    struct scpi_queued errors[SCPI_ERRORS_MAX];
    size_t error_first, error_count;
    uint8_t esr, ese, sre;
    struct {
        uint16_t condition, event, enable;
    } groups[SCPI_GROUPS];
    void (*update_groups)(struct scpi *scpi);
};

/**
 * Sets everything to the state after power-on. Pointers stay in use; at most SCPI_COMMANDS_MAX commands.
 * update_groups brings the conditions of the status groups up to date (scpi_condition, scpi_event).
 */
void scpi_init(struct scpi *scpi, const struct scpi_command *commands, size_t command_count,
               void (*send)(char byte), void (*clear_instrument)(void),
               void (*update_groups)(struct scpi *scpi));

/** Takes one byte from the client; at the end of a line the commands in it are run and answered. */
void scpi_receive(struct scpi *scpi, char byte);

/**
 * Device clear (IEEE 488.2, 5.8) while a command runs that looks for one itself: what is left of the line, and
 * of its answer, is void. Status and settings stay.
 */
void scpi_device_clear(struct scpi *scpi);

/** Queues an error and sets its bit in the Standard Event Status Register. */
void scpi_fail(struct scpi *scpi, enum scpi_error error);

/**
 * The same with what the error is about, shown behind the error's text (SCPI-99 volume 2, 21.8.1). In detail
 * '%' stands for the next value in decimal, '$' in hexadecimal.
 */
void scpi_fail_detail(struct scpi *scpi, enum scpi_error error, const char *detail, uint32_t a, uint32_t b,
                      uint32_t c);

/** A group's conditions now; what has become true sets its event bit. */
void scpi_condition(struct scpi *scpi, enum scpi_group group, uint16_t condition);
/** Events that came and went between two looks at the conditions. */
void scpi_event(struct scpi *scpi, enum scpi_group group, uint16_t events);

/* For commands: parameters. Each returns false after scpi_fail when the parameter is not as it must be. */
bool scpi_arg_u64(struct scpi *scpi, size_t index, uint64_t min, uint64_t max, uint64_t *value);
bool scpi_arg_bool(struct scpi *scpi, size_t index, bool *value);
/** True, without an error in any case, when the parameter is this keyword. */
bool scpi_arg_is(const struct scpi *scpi, size_t index, const char *keyword);
/** One of count keywords (as in headers: "CONSole"); *value is its place in the list. */
bool scpi_arg_keyword(struct scpi *scpi, size_t index, const char *const *keywords, size_t count,
                      size_t *value);
/** A quoted string, without its quotes, at most size bytes; no NUL is added. */
bool scpi_arg_string(struct scpi *scpi, size_t index, char *out, size_t size, size_t *length);

/* For commands: answers. scpi_reply begins one; the others add to it. */
void scpi_reply(struct scpi *scpi);
/** Begins one that only the line's end ends: a query behind it in the line fails (IEEE 488.2, 6.5.7.5). */
void scpi_reply_indefinite(struct scpi *scpi);
void scpi_put(struct scpi *scpi, const char *text);
void scpi_put_bytes(struct scpi *scpi, const char *bytes, size_t length);
void scpi_put_u64(struct scpi *scpi, uint64_t value);
void scpi_put_hex(struct scpi *scpi, uint64_t value);  /* with #H */
/** In double quotes, those inside doubled. */
void scpi_put_string(struct scpi *scpi, const char *bytes, size_t length);
/** The short form of a keyword: the capitals, digits and signs that it begins with. */
void scpi_put_short(struct scpi *scpi, const char *keyword);
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
void scpi_preset(struct scpi *scpi);
void scpi_operation_event_query(struct scpi *scpi);
void scpi_operation_condition_query(struct scpi *scpi);
void scpi_operation_enable(struct scpi *scpi);
void scpi_operation_enable_query(struct scpi *scpi);
void scpi_questionable_event_query(struct scpi *scpi);
void scpi_questionable_condition_query(struct scpi *scpi);
void scpi_questionable_enable(struct scpi *scpi);
void scpi_questionable_enable_query(struct scpi *scpi);

#define SCPI_COMMON_COMMANDS                                                        \
    {"*CLS", scpi_cls, 0, 0},                                                       \
    {"*ESE", scpi_ese, 1, 1},                                                       \
    {"*ESE?", scpi_ese_query, 0, 0},                                                \
    {"*ESR?", scpi_esr_query, 0, 0},                                                \
    {"*OPC", scpi_opc, 0, 0},                                                       \
    {"*OPC?", scpi_opc_query, 0, 0},                                                \
    {"*RST", scpi_rst, 0, 0},                                                       \
    {"*SRE", scpi_sre, 1, 1},                                                       \
    {"*SRE?", scpi_sre_query, 0, 0},                                                \
    {"*STB?", scpi_stb_query, 0, 0},                                                \
    {"*WAI", scpi_wai, 0, 0},                                                       \
    {"STATus:OPERation?", scpi_operation_event_query, 0, 0},                        \
    {"STATus:OPERation:EVENt?", scpi_operation_event_query, 0, 0},                  \
    {"STATus:OPERation:CONDition?", scpi_operation_condition_query, 0, 0},          \
    {"STATus:OPERation:ENABle", scpi_operation_enable, 1, 1},                       \
    {"STATus:OPERation:ENABle?", scpi_operation_enable_query, 0, 0},                \
    {"STATus:QUEStionable?", scpi_questionable_event_query, 0, 0},                  \
    {"STATus:QUEStionable:EVENt?", scpi_questionable_event_query, 0, 0},            \
    {"STATus:QUEStionable:CONDition?", scpi_questionable_condition_query, 0, 0},    \
    {"STATus:QUEStionable:ENABle", scpi_questionable_enable, 1, 1},                 \
    {"STATus:QUEStionable:ENABle?", scpi_questionable_enable_query, 0, 0},          \
    {"STATus:PRESet", scpi_preset, 0, 0},                                           \
    {"SYSTem:ERRor?", scpi_error_query, 0, 0},                                      \
    {"SYSTem:ERRor:NEXT?", scpi_error_query, 0, 0},                                 \
    {"SYSTem:ERRor:COUNt?", scpi_error_count_query, 0, 0},                          \
    {"SYSTem:VERSion?", scpi_version_query, 0, 0}

#endif
