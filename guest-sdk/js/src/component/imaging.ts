/** What a component finds under `@keynet/inference/imaging`: the module, with the library that the build composes into it. */

import * as pictures from "keynet:imaging/pictures@0.1.0";

import { setLibrary } from "../imaging.js";
import { drop } from "./engine.js";

setLibrary({ Picture: pictures.Picture, classColor: pictures.classColor, drop });

export { classColor, Picture } from "../imaging.js";
