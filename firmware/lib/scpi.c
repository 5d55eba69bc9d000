/* SPDX-License-Identifier: Apache-2.0 */
/* SCPI parser: lines, headers, parameters. Status and errors are in scpi_status.c. */
#include "scpi.h"

#include "text.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/*
 * Hash of a header, the same for all its spellings: of each keyword only the first three letters count, which
 * short and long form share. Can be continued over pieces that end with a colon.
 */
#define HASH_START 5381u
static uint32_t hash(uint32_t sum, const char *header, size_t length)
{
    unsigned letters = 0;

    for (size_t i = 0; i < length; i++) {
        char c = text_upper(header[i]);
        if (c == ':' || c == '?')
            letters = 0;
        else if (++letters > 3)
            continue;
        sum = (sum << 5) + sum + (uint8_t)c;
    }
    return sum;
}

void scpi_init(struct scpi *scpi, const struct scpi_command *commands, size_t command_count,
               void (*send)(char byte), void (*clear_instrument)(void))
{
    *scpi = (struct scpi){.commands = commands,
                          .command_count = command_count,
                          .send = send,
                          .clear_instrument = clear_instrument,
                          .esr = SCPI_ESR_PON};
    for (size_t i = 0; i < command_count && i < SCPI_COMMANDS_MAX; i++) {
        size_t length = 0;
        while (commands[i].header[length])
            length++;
        scpi->hashes[i] = hash(HASH_START, commands[i].header, length);
    }
}

/* ---- Answers. */

void scpi_reply(struct scpi *scpi)
{
    if (scpi->replied)
        scpi->send(';');
    scpi->replied = true;
}

void scpi_put_bytes(struct scpi *scpi, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        scpi->send(bytes[i]);
}

void scpi_put(struct scpi *scpi, const char *text)
{
    while (*text)
        scpi->send(*text++);
}

void scpi_put_u64(struct scpi *scpi, uint64_t value)
{
    char text[TEXT_U64_SIZE];

    text_from_u64(text, value);
    scpi_put(scpi, text);
}

void scpi_put_hex(struct scpi *scpi, uint64_t value)
{
    char text[17];

    text_from_hex(text, value, 1);
    scpi_put(scpi, "#H");
    scpi_put(scpi, text);
}

void scpi_reply_text(struct scpi *scpi, const char *text)
{
    scpi_reply(scpi);
    scpi_put(scpi, text);
}

void scpi_reply_u64(struct scpi *scpi, uint64_t value)
{
    scpi_reply(scpi);
    scpi_put_u64(scpi, value);
}

/* ---- Parameters. */

bool scpi_arg_u64(struct scpi *scpi, size_t index, uint64_t min, uint64_t max, uint64_t *value)
{
    const struct scpi_arg *arg = &scpi->args[index];
    uint64_t number = 0;

    switch (text_to_u64(arg->text, arg->length, &number)) {
    case TEXT_NUMBER_OK:
        if (number < min || number > max)
            break;
        *value = number;
        return true;
    case TEXT_NUMBER_NONE:
        scpi_fail(scpi, SCPI_DATA_TYPE);
        return false;
    case TEXT_NUMBER_BROKEN:
        scpi_fail(scpi, SCPI_NUMBER_CHARACTER);
        return false;
    case TEXT_NUMBER_RANGE:
        break;
    }
    scpi_fail(scpi, SCPI_OUT_OF_RANGE);
    return false;
}

bool scpi_arg_keyword(struct scpi *scpi, size_t index, const char *const *keywords, size_t count,
                      size_t *value)
{
    const struct scpi_arg *arg = &scpi->args[index];
    char first = text_upper(arg->text[0]);

    if (first < 'A' || first > 'Z') {
        scpi_fail(scpi, SCPI_DATA_TYPE);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t length = 0;
        while (keywords[i][length])
            length++;
        if (text_is_keyword(keywords[i], length, arg->text, arg->length)) {
            *value = i;
            return true;
        }
    }
    scpi_fail(scpi, SCPI_ILLEGAL_VALUE);
    return false;
}

bool scpi_arg_bool(struct scpi *scpi, size_t index, bool *value)
{
    static const char *const names[] = {"OFF", "ON"};
    const struct scpi_arg *arg = &scpi->args[index];
    size_t place;

    if (arg->length == 1 && (arg->text[0] == '0' || arg->text[0] == '1')) {
        *value = arg->text[0] == '1';
        return true;
    }
    if (!scpi_arg_keyword(scpi, index, names, 2, &place))
        return false;
    *value = place == 1;
    return true;
}

bool scpi_arg_string(struct scpi *scpi, size_t index, char *out, size_t size, size_t *length)
{
    const struct scpi_arg *arg = &scpi->args[index];
    char quote = arg->text[0];
    size_t count = 0;

    if (quote != '"' && quote != '\'') {
        scpi_fail(scpi, SCPI_DATA_TYPE);
        return false;
    }
    /* The parser has seen to it that the closing quote is there and that nothing follows it. */
    for (size_t at = 1; at + 1 < arg->length; at++) {
        if (arg->text[at] == quote)
            at++; /* a doubled quote stands for one */
        if (count == size) {
            scpi_fail(scpi, SCPI_TOO_MUCH_DATA);
            return false;
        }
        out[count++] = arg->text[at];
    }
    *length = count;
    return true;
}

/* Length of the string that begins with a quote at text, with both quotes; 0 when it does not end. */
static size_t string_length(const char *text, size_t length)
{
    for (size_t at = 1; at < length; at++) {
        if (text[at] != text[0])
            continue;
        if (at + 1 < length && text[at + 1] == text[0])
            at++;
        else
            return at + 1;
    }
    return 0;
}

/* Splits the parameters at their commas. */
static enum scpi_error split_args(struct scpi *scpi, const char *text, size_t length)
{
    size_t at = 0;

    scpi->arg_count = 0;
    while (at < length && is_space(text[at]))
        at++;
    if (at == length)
        return SCPI_NO_ERROR;
    for (;;) {
        struct scpi_arg arg;
        while (at < length && is_space(text[at]))
            at++;
        arg.text = text + at;
        if (at < length && (text[at] == '"' || text[at] == '\'')) {
            arg.length = string_length(text + at, length - at);
            if (arg.length == 0)
                return SCPI_INVALID_STRING;
            at += arg.length;
        } else {
            while (at < length && text[at] != ',')
                at++;
            arg.length = (size_t)(text + at - arg.text);
            while (arg.length > 0 && is_space(arg.text[arg.length - 1]))
                arg.length--;
            if (arg.length == 0)
                return SCPI_SYNTAX_ERROR;
        }
        if (scpi->arg_count == SCPI_ARGS_MAX)
            return SCPI_TOO_MANY;
        scpi->args[scpi->arg_count++] = arg;
        while (at < length && is_space(text[at]))
            at++;
        if (at == length)
            return SCPI_NO_ERROR;
        if (text[at] != ',')
            return SCPI_INVALID_STRING; /* something behind a closing quote */
        at++;
    }
}

/* ---- Headers. */

/* Compares path + header with a pattern, keyword by keyword. */
static bool header_matches(const char *pattern, const char *path, size_t path_length, const char *header,
                           size_t header_length)
{
    size_t at = 0, total = path_length + header_length;

    for (;;) {
        char word[24];
        size_t keyword = 0, length = 0;

        while (pattern[keyword] && pattern[keyword] != ':' && pattern[keyword] != '?')
            keyword++;
        while (at < total) {
            char c = at < path_length ? path[at] : header[at - path_length];
            if (c == ':' || c == '?')
                break;
            if (length == sizeof word)
                return false;
            word[length++] = c;
            at++;
        }
        if (!text_is_keyword(pattern, keyword, word, length))
            return false;
        pattern += keyword;
        if (*pattern == '\0')
            return at == total;
        if (at == total || (at < path_length ? path[at] : header[at - path_length]) != *pattern)
            return false;
        if (*pattern == '?')
            return at + 1 == total;
        pattern++;
        at++;
    }
}

static const struct scpi_command *find(const struct scpi *scpi, const char *path, size_t path_length,
                                       const char *header, size_t header_length)
{
    uint32_t wanted = hash(hash(HASH_START, path, path_length), header, header_length);

    for (size_t i = 0; i < scpi->command_count; i++)
        if (scpi->hashes[i] == wanted &&
            header_matches(scpi->commands[i].header, path, path_length, header, header_length))
            return &scpi->commands[i];
    return NULL;
}

/*
 * Runs one command. *path is the level in the tree that the one before has left (SCPI-99 volume 1, 6.2.4): a
 * header without a colon in front is looked for there first, then at the root.
 */
static void run(struct scpi *scpi, const char *text, size_t length, const char **path, size_t *path_length)
{
    const struct scpi_command *command = NULL;
    enum scpi_error error;
    size_t header = 0, from_path = 0;

    while (length > 0 && is_space(*text)) {
        text++;
        length--;
    }
    while (length > 0 && is_space(text[length - 1]))
        length--;
    if (length == 0)
        return;
    if (*text == ':') {
        text++;
        length--;
        *path_length = 0;
    }
    while (header < length && !is_space(text[header]))
        header++;
    if (*path_length != 0 && text[0] != '*') {
        command = find(scpi, *path, *path_length, text, header);
        from_path = command ? *path_length : 0;
    }
    if (!command)
        command = find(scpi, NULL, 0, text, header);
    if (!command) {
        scpi_fail(scpi, SCPI_UNDEFINED_HEADER);
        return;
    }
    /* A path within a path is not kept: such a header may be given whole in the next command. */
    if (text[0] != '*' && from_path == 0) {
        size_t level = header;
        while (level > 0 && text[level - 1] != ':')
            level--;
        *path = text;
        *path_length = level;
    }
    error = split_args(scpi, text + header, length - header);
    if (error == SCPI_NO_ERROR && scpi->arg_count < command->args_min)
        error = SCPI_MISSING;
    if (error == SCPI_NO_ERROR && scpi->arg_count > command->args_max)
        error = SCPI_TOO_MANY;
    if (error != SCPI_NO_ERROR)
        scpi_fail(scpi, error);
    else
        command->run(scpi);
}

static void run_line(struct scpi *scpi)
{
    const char *path = NULL;
    size_t path_length = 0, start = 0;
    char quote = '\0';

    scpi->replied = false;
    for (size_t at = 0; at <= scpi->line_length; at++) {
        char c = at < scpi->line_length ? scpi->line[at] : ';';
        if (at == scpi->line_length || (c == ';' && !quote)) {
            run(scpi, scpi->line + start, at - start, &path, &path_length);
            start = at + 1;
        } else if (quote) {
            if (c == quote)
                quote = '\0';
        } else if (c == '"' || c == '\'') {
            quote = c;
        }
    }
    if (scpi->replied)
        scpi->send('\n');
    scpi->replied = false;
}

void scpi_receive(struct scpi *scpi, char byte)
{
    if (byte != '\n') {
        if (scpi->line_length < SCPI_LINE_SIZE - 1)
            scpi->line[scpi->line_length++] = byte;
        else
            scpi->line_overflow = true;
        return;
    }
    if (scpi->line_overflow) {
        scpi_fail(scpi, SCPI_LINE_TOO_LONG);
    } else {
        if (scpi->line_length > 0 && scpi->line[scpi->line_length - 1] == '\r')
            scpi->line_length--;
        run_line(scpi);
    }
    scpi->line_length = 0;
    scpi->line_overflow = false;
}
