import {} from "./json.js";
import { checkSchema, readParameters } from "./parameters.js";
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const MAX_DESCRIPTION = 1024;
const DECLARATION = Symbol.for("@keynet/inference/declaration");
export function keynetFunction(info, handler) {
    checkInfo(info);
    if (typeof handler !== "function")
        throw new TypeError(`the second argument of keynetFunction must be a function, not ${typeof handler}`);
    const schema = info.input;
    const run = (args) => handler((schema === undefined ? args : readParameters(schema, args)));
    const declaration = {
        name: info.name,
        description: info.description ?? "",
        inputSchema: schema && { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema },
        run,
    };
    return Object.assign(async (args) => run(args), { [DECLARATION]: declaration });
}
/** Returns what a value was declared as by `keynetFunction`; `undefined` for any other value. */
export function declarationOf(value) {
    return typeof value === "function" && DECLARATION in value ? value[DECLARATION] : undefined;
}
function checkInfo(info) {
    const { name, description, input } = info;
    if (typeof name !== "string" || !NAME.test(name)) {
        throw new TypeError(`the function's name ${JSON.stringify(name)} is not allowed: 1 to 63 of a-z, 0-9 and \`-\`, not beginning with \`-\``);
    }
    if (description !== undefined && (typeof description !== "string" || description.trim() === "")) {
        throw new TypeError("the description of a function must be text that is not empty");
    }
    if (new TextEncoder().encode(description ?? "").length > MAX_DESCRIPTION) {
        throw new TypeError(`the description of "${name}" is longer than ${MAX_DESCRIPTION} bytes`);
    }
    if (input !== undefined) {
        if (input.type !== "object")
            throw new TypeError('`input` must be a JSON Schema with `type: "object"`');
        checkSchema(input);
    }
}
