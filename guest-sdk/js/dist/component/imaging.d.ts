/** What a component finds under `@keynet/inference/imaging`: the module, with the library that the build composes into it. */
export { classColor, Picture } from "../imaging.js";
