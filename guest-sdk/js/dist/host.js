/**
 * The host's side of the contract, as the rest of the SDK calls it.
 *
 * Two modules implement {@link Host}: `component/bindings` inside a component, and `testing` on Node. Calls return when the host has
 * answered and throw `KeynetError`.
 */
import { UnavailableError } from "./errors.js";
let find = () => undefined;
/** Makes `lookup` the way to find the host of the code that asks. */
export function setLookup(lookup) {
    find = lookup;
}
/**
 * Returns the host that this code runs on.
 *
 * @throws {UnavailableError} There is none: outside a running action and a test's environment.
 */
export function currentHost() {
    const host = find();
    if (host === undefined) {
        throw new UnavailableError("there is no host here: call models, objects and parameters inside the function, not while its module is loaded; " +
            "in a test, inside `new Environment().run(…)` of @keynet/inference/testing");
    }
    return host;
}
