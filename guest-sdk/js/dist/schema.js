/** The JSON Schema that describes an action's parameters, and the type that follows from it. */
/** The keywords of {@link Schema}: others are refused, since callers would take them for checked. */
export const KEYWORDS = [
    "$schema",
    "type",
    "title",
    "description",
    "default",
    "examples",
    "enum",
    "const",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "additionalProperties",
];
