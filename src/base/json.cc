// Reading JSON with simdjson: see json.h. This file is C++ only because simdjson is.
//
// The parser object is per thread: it owns the scratch buffers and is reused. Its document is
// copied into the caller's arena before this returns, so nothing of simdjson escapes.
extern "C" {
#include "base/json.h"
#include "base/limits.h"
}

#include <cstring>
#include <new>
#include <simdjson.h>

namespace
{

using simdjson::dom::element;

struct copier {
    od_arena *arena;
    bool out_of_memory = false;

    od_str text(std::string_view s)
    {
        od_str copy = od_arena_str(arena, od_str{s.data() ? s.data() : "", s.size()});
        out_of_memory |= !copy.ptr;
        return copy;
    }

    void array(const simdjson::dom::array &from, od_json *to)
    {
        size_t count = 0;
        for (auto child : from) {
            (void)child;
            count++;
        }
        to->kind = OD_JSON_ARRAY;
        to->count = count;
        to->items = static_cast<od_json *>(od_arena_array(arena, count, sizeof(od_json)));
        if (!to->items) {
            out_of_memory = true;
            to->count = 0;
            return;
        }
        size_t i = 0;
        for (auto child : from)
            value(child, &to->items[i++]);
    }

    void object(const simdjson::dom::object &from, od_json *to)
    {
        size_t count = 0;
        for (auto field : from) {
            (void)field;
            count++;
        }
        to->kind = OD_JSON_OBJECT;
        to->count = count;
        to->members =
            static_cast<od_json_member *>(od_arena_array(arena, count, sizeof(od_json_member)));
        if (!to->members) {
            out_of_memory = true;
            to->count = 0;
            return;
        }
        size_t i = 0;
        for (auto field : from) {
            to->members[i].key = text(field.key);
            value(field.value, &to->members[i++].value);
        }
    }

    void integer(int64_t v, od_json *to)
    {
        to->kind = OD_JSON_NUMBER;
        to->is_integer = true;
        to->integer = v;
        to->number = static_cast<double>(v);
    }

    void value(const element &from, od_json *to)
    {
        switch (from.type()) {
        case simdjson::dom::element_type::ARRAY:
            return array(from.get_array().value_unsafe(), to);
        case simdjson::dom::element_type::OBJECT:
            return object(from.get_object().value_unsafe(), to);
        case simdjson::dom::element_type::INT64:
            return integer(from.get_int64().value_unsafe(), to);
        case simdjson::dom::element_type::UINT64:
            to->kind = OD_JSON_NUMBER;
            to->number = static_cast<double>(from.get_uint64().value_unsafe());
            return;
        case simdjson::dom::element_type::DOUBLE:
            to->kind = OD_JSON_NUMBER;
            to->number = from.get_double().value_unsafe();
            return;
        case simdjson::dom::element_type::STRING:
            to->kind = OD_JSON_STRING;
            to->text = text(from.get_string().value_unsafe());
            return;
        case simdjson::dom::element_type::BOOL:
            to->kind = OD_JSON_BOOL;
            to->boolean = from.get_bool().value_unsafe();
            return;
        default:
            to->kind = OD_JSON_NULL;
        }
    }
};

} // namespace

extern "C" enum od_status od_json_parse(struct od_arena *arena, struct od_str text,
                                        struct od_json *out, struct od_error *err)
{
    thread_local simdjson::dom::parser parser;
    if (text.len > 0xFFFFFFF0u)
        return od_fail(err, OD_SERIALIZATION, "The JSON text is larger than 4 GiB.");
    if (parser.max_depth() != OD_MAX_JSON_DEPTH || parser.capacity() < text.len) {
        if (parser.allocate(text.len + 1024, OD_MAX_JSON_DEPTH) != simdjson::SUCCESS)
            return od_fail(err, OD_NO_MEMORY, nullptr);
    }
    element root;
    auto code = parser.parse(text.ptr ? text.ptr : "", text.len).get(root);
    if (code == simdjson::MEMALLOC)
        return od_fail(err, OD_NO_MEMORY, nullptr);
    if (code != simdjson::SUCCESS)
        return od_fail(err, OD_SERIALIZATION, "Malformed JSON: %s", simdjson::error_message(code));
    copier copy{arena};
    od_json tree;
    memset(&tree, 0, sizeof tree);
    copy.value(root, &tree);
    if (copy.out_of_memory && arena->full)
        return od_fail(err, OD_TOO_LARGE, "The JSON text has too many values.");
    if (copy.out_of_memory)
        return od_fail(err, OD_NO_MEMORY, nullptr);
    *out = tree;
    return OD_OK;
}
