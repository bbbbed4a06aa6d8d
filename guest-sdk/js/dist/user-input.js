import { InvalidError } from "./errors.js";
import { currentHost } from "./host.js";
import { fromText, isWeb } from "./parameters.js";
/**
 * The parameters of this activation as its caller sent them, readable from anywhere in the code that a function calls; never
 * configuration or credentials. An activation whose argument is an array, in a sequence, has none.
 */
export const UserInput = {
    /** Returns one parameter; `undefined` if it was not sent. */
    get,
    /**
     * Returns one parameter that has to be there.
     *
     * @throws {InvalidError} It was not sent.
     */
    require(name) {
        const value = get(name);
        if (value === undefined)
            throw new InvalidError(`the parameter \`${name}\` is missing`);
        return value;
    },
    /** Returns the names of all parameters. */
    names() {
        return Object.keys(currentHost().parameters());
    },
    /** Returns all parameters. */
    all() {
        return { ...currentHost().parameters() };
    },
};
function get(name, fallback) {
    const parameters = currentHost().parameters();
    if (!Object.hasOwn(parameters, name))
        return fallback;
    const sent = parameters[name];
    if (fallback === undefined || fallback === null)
        return sent;
    const value = isWeb(parameters) ? read(sent, fallback) : sent;
    if (typeof fallback === "bigint" && typeof value === "number" && Number.isSafeInteger(value))
        return BigInt(value);
    if (kindOf(value) !== kindOf(fallback)) {
        throw new InvalidError(`the parameter \`${name}\`: expected ${kindOf(fallback)}, came ${kindOf(value)} ${JSON.stringify(value, big)}`);
    }
    return value;
}
function read(sent, fallback) {
    if (typeof fallback === "number")
        return fromText(sent, ["number"]);
    if (typeof fallback === "bigint")
        return fromText(sent, ["integer"], true);
    return typeof fallback === "boolean" ? fromText(sent, ["boolean"]) : sent;
}
function kindOf(value) {
    if (value === null)
        return "null";
    if (Array.isArray(value))
        return "an array";
    return { number: "a number", bigint: "a whole number", string: "a string", boolean: "true or false" }[typeof value] ?? "an object";
}
function big(_, value) {
    return typeof value === "bigint" ? String(value) : value;
}
