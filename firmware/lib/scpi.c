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
 * short and long form share (keywords with a suffix have four). Can be continued over pieces that end with a
 * colon.
 */
#define HASH_START 5381u
static uint32_t hash(uint32_t sum, const char *header, size_t length)
{
    unsigned letters = 0;

    for (size_t i = 0; i < length && header[i]; i++) {
        uint8_t c = (uint8_t)header[i];
        if (c == ':' || c == '?')
            letters = 0;
        else if (++letters > 3)
            continue;
        else if (c >= 'a' && c <= 'z')
            c -= 'a' - 'A';
        sum = (sum << 5) + sum + c;
    }
    return sum;
}

void scpi_init(struct scpi *scpi, const struct scpi_command *commands, size_t command_count,
               void (*send)(char byte), void (*clear_instrument)(void),
               void (*update_groups)(struct scpi *scpi))
{
    *scpi = (struct scpi){.commands = commands,
                          .command_count = command_count,
                          .send = send,
                          .clear_instrument = clear_instrument,
                          .update_groups = update_groups,
                          .esr = SCPI_ESR_PON};
    for (size_t i = 0; i < command_count && i < SCPI_COMMANDS_MAX; i++)
        scpi->hashes[i] = (uint16_t)hash(HASH_START, commands[i].header, SIZE_MAX);
}

/* ---- Answers. */

void scpi_reply(struct scpi *scpi)
{
    if (scpi->replied)
        scpi->send(';');
    scpi->replied = true;
}

void scpi_reply_indefinite(struct scpi *scpi)
{
    scpi_reply(scpi);
    scpi->indefinite = true;
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

void scpi_put_string(struct scpi *scpi, const char *bytes, size_t length)
{
    scpi_put(scpi, "\"");
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '"')
            scpi_put(scpi, "\"");
        scpi_put_bytes(scpi, &bytes[i], 1);
    }
    scpi_put(scpi, "\"");
}

void scpi_put_short(struct scpi *scpi, const char *keyword)
{
    while (*keyword && !(*keyword >= 'a' && *keyword <= 'z'))
        scpi_put_bytes(scpi, keyword++, 1);
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

static bool is_keyword(const struct scpi_arg *arg, const char *keyword)
{
    size_t length = 0;

    while (keyword[length])
        length++;
    return text_is_keyword(keyword, length, arg->text, arg->length);
}

bool scpi_arg_is(const struct scpi *scpi, size_t index, const char *keyword)
{
    return index < scpi->arg_count && is_keyword(&scpi->args[index], keyword);
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
        if (is_keyword(arg, keywords[i])) {
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

/* A header as it came: the level that the command before has left, and what the client wrote. */
struct header {
    const char *path, *text;
    size_t path_length, length;
};

static char header_at(const struct header *header, size_t at)
{
    return at < header->path_length ? header->path[at] : header->text[at - header->path_length];
}

/* The number that a word ends with, which is cut off; 1 when it ends with none (SCPI-99 volume 1, 6.2.5.2). */
static uint32_t take_suffix(const char *word, size_t *length)
{
    uint32_t suffix = 0, unit = 1;
    size_t digits = 0;

    while (*length > 0 && word[*length - 1] >= '0' && word[*length - 1] <= '9') {
        /* Nine digits are more than any range; the others only must not make it wrap. */
        suffix = ++digits > 9 ? UINT32_MAX : suffix + unit * (uint32_t)(word[*length - 1] - '0');
        unit *= 10u;
        (*length)--;
    }
    return digits ? suffix : 1;
}

/*
 * Compares a header with a pattern, keyword by keyword. *suffix: 1 and up; 0 where it is not in the pattern's
 * range and all the rest agrees.
 */
static bool header_matches(const char *pattern, const struct header *header, uint32_t *suffix)
{
    size_t at = 0, total = header->path_length + header->length;

    *suffix = 1;
    for (;;) {
        char word[24];
        size_t keyword = 0, length = 0;

        while (pattern[keyword] && pattern[keyword] != ':' && pattern[keyword] != '?' &&
               pattern[keyword] != '<')
            keyword++;
        while (at < total && header_at(header, at) != ':' && header_at(header, at) != '?') {
            if (length == sizeof word)
                return false;
            word[length++] = header_at(header, at++);
        }
        if (pattern[keyword] == '<') {
            *suffix = take_suffix(word, &length);
            if (*suffix > (uint32_t)(pattern[keyword + 1] - '0'))
                *suffix = 0;
        }
        if (!text_is_keyword(pattern, keyword, word, length))
            return false;
        pattern += keyword + (pattern[keyword] == '<' ? 3 : 0);
        if (*pattern == '\0')
            return at == total;
        if (at == total || header_at(header, at) != *pattern)
            return false;
        if (*pattern == '?')
            return at + 1 == total;
        pattern++;
        at++;
    }
}

static const struct scpi_command *find(struct scpi *scpi, const struct header *header)
{
    uint32_t path = hash(HASH_START, header->path, header->path_length);
    uint16_t wanted = (uint16_t)hash(path, header->text, header->length);

    for (size_t i = 0; i < scpi->command_count; i++)
        if (scpi->hashes[i] == wanted && header_matches(scpi->commands[i].header, header, &scpi->suffix))
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
        command = find(scpi, &(struct header){*path, text, *path_length, header});
        from_path = command ? *path_length : 0;
    }
    if (!command)
        command = find(scpi, &(struct header){NULL, text, 0, header});
    if (!command || scpi->suffix == 0) {
        scpi_fail(scpi, command ? SCPI_SUFFIX_RANGE : SCPI_UNDEFINED_HEADER);
        return;
    }
    if (scpi->indefinite && text[header - 1] == '?') {
        scpi_fail(scpi, SCPI_QUERY_AFTER_INDEFINITE);
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

    scpi->replied = scpi->indefinite = scpi->cleared = false;
    for (size_t at = 0; at <= scpi->line_length && !scpi->cleared; at++) {
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
    if (scpi->replied && !scpi->cleared)
        scpi->send('\n');
    scpi->replied = false;
}

void scpi_device_clear(struct scpi *scpi)
{
    scpi->line_length = 0;
    scpi->line_overflow = false;
    scpi->cleared = true;
}

void scpi_receive(struct scpi *scpi, char byte)
{
    if (byte == SCPI_DEVICE_CLEAR) {
        scpi_device_clear(scpi);
        return;
    }
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
