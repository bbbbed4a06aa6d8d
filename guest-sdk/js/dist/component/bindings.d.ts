/** The imports of the world `action`, as `Host`. */
import type { Host } from "../host.js";
import type { JsonObject } from "../json.js";
/** Returns the host of an activation with these parameters. */
export declare function componentHost(parameters: JsonObject): Host;
