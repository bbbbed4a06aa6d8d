// A form made from the JSON Schema of an action's parameters.

import { el, problem, say, bytes } from "./dom.js";
import { storePicture } from "./api.js";

const PICTURE = /image|picture|photo/i;

/** Follows `$ref` and looks through the ways to write "or null". */
function resolved(schema, root, depth = 0) {
  if (!schema || typeof schema !== "object" || depth > 16) return {};
  const { $ref: reference, ...rest } = schema;
  if (typeof reference === "string" && reference.startsWith("#/")) {
    let target = root;
    for (const part of reference.slice(2).split("/")) {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      target = target && Object.hasOwn(target, name) ? target[name] : undefined;
    }
    return { ...resolved(target, root, depth + 1), ...rest };
  }
  const all = Array.isArray(schema.allOf) && schema.allOf.length === 1 ? schema.allOf : null;
  if (all) {
    const { allOf: _, ...own } = rest;
    return { ...resolved(all[0], root, depth + 1), ...own };
  }
  for (const word of ["anyOf", "oneOf"]) {
    const cases = Array.isArray(schema[word]) ? schema[word] : [];
    const others = cases.filter((one) => one?.type !== "null");
    if (others.length === 1 && others.length < cases.length) {
      const { [word]: _, ...own } = rest;
      return { ...resolved(others[0], root, depth + 1), ...own };
    }
  }
  return schema;
}

function typeOf(schema) {
  const types = [schema.type].flat().filter((type) => type && type !== "null");
  return types.length === 1 ? types[0] : "json";
}

/** Returns the values of an enumeration; null if it is none. */
function choices(schema) {
  if (Array.isArray(schema.enum)) return schema.enum.filter((value) => value !== null);
  for (const word of ["oneOf", "anyOf"]) {
    const cases = schema[word];
    if (!Array.isArray(cases) || cases.length === 0) continue;
    const values = cases.flatMap((one) => {
      if (one && Object.hasOwn(one, "const")) return [one.const];
      return Array.isArray(one?.enum) ? one.enum : [undefined];
    });
    if (!values.includes(undefined)) return values;
  }
  return null;
}

function parsed(text, name) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${error.message}`);
  }
}

/** Returns the control of a field, and a function that reads it; undefined is left out. */
function control(schema, id, name, required) {
  const values = choices(schema);
  const described = { id, "aria-describedby": `${id}-hint`, required };
  const initial = schema.default;
  if (values) {
    const options = values.map((value, at) =>
      el("option", { value: at, selected: JSON.stringify(value) === JSON.stringify(initial) },
        typeof value === "string" ? value : JSON.stringify(value)));
    if (!required) options.unshift(el("option", { value: "", selected: initial === undefined }, "—"));
    const select = el("select", described, options);
    return [select, () => (select.value === "" ? undefined : values[Number(select.value)])];
  }
  switch (typeOf(schema)) {
    case "boolean": {
      if (required || typeof initial === "boolean") {
        const box = el("input", { id, "aria-describedby": `${id}-hint`, type: "checkbox", checked: initial === true });
        return [box, () => box.checked];
      }
      const select = el("select", described,
        ["", "true", "false"].map((value) => el("option", { value }, value || "—")));
      return [select, () => (select.value === "" ? undefined : select.value === "true")];
    }
    case "integer":
    case "number": {
      const whole = typeOf(schema) === "integer";
      const input = el("input", {
        ...described, type: "number", step: whole ? 1 : "any", min: schema.minimum, max: schema.maximum,
        value: initial ?? undefined,
      });
      return [input, () => (input.value.trim() === "" ? undefined : parsed(input.value.trim(), name))];
    }
    case "string": {
      const long = (schema.maxLength ?? 0) > 200 || (typeof initial === "string" && initial.includes("\n"));
      const input = long
        ? el("textarea", described)
        : el("input", { ...described, type: "text", spellcheck: "false", autocomplete: "off" });
      if (typeof initial === "string") input.value = initial;
      const limits = { minLength: schema.minLength, maxLength: schema.maxLength };
      for (const [limit, value] of Object.entries(limits)) if (Number.isInteger(value)) input[limit] = value;
      return [input, () => (input.value === "" && !required ? undefined : input.value)];
    }
    default: {
      const area = el("textarea", { ...described, spellcheck: "false" });
      if (initial !== undefined && initial !== null) area.value = JSON.stringify(initial, null, 2);
      return [area, () => (area.value.trim() === "" ? undefined : parsed(area.value, name))];
    }
  }
}

/** Returns an area to drop a picture on, or to choose one; `take` gets its location. */
function picture(id, take) {
  const chooser = el("input", { id: `${id}-file`, type: "file", accept: "image/png,image/jpeg,image/gif,image/webp" });
  const preview = el("img", { alt: "The picture that was dropped", hidden: true });
  const note = el("p", { class: "hint" }, "Drop a picture here, or choose one: it is put into storage.");
  const area = el("div", { class: "drop" }, el("label", { for: `${id}-file` }, "Picture"), note, chooser, preview);
  const use = async (file) => {
    if (!file) return;
    problem("");
    note.textContent = `Storing ${file.name}, ${bytes(file.size)} …`;
    try {
      const location = await storePicture(file);
      if (preview.src) URL.revokeObjectURL(preview.src);
      preview.src = URL.createObjectURL(file);
      preview.hidden = false;
      note.textContent = `Stored as ${location}`;
      say(`The picture is stored as ${location}`);
      take(location);
    } catch (error) {
      note.textContent = "The picture was not stored.";
      problem(error.message);
    }
  };
  chooser.addEventListener("change", () => use(chooser.files[0]));
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    use(event.dataTransfer.files[0]);
  });
  return area;
}

function hint(schema, preset) {
  const parts = [];
  if (typeof schema.description === "string") parts.push(schema.description);
  if (schema.minimum !== undefined) parts.push(`At least ${JSON.stringify(schema.minimum)}.`);
  if (schema.maximum !== undefined) parts.push(`At most ${JSON.stringify(schema.maximum)}.`);
  if (preset) parts.push("The action has a default parameter of this name.");
  return parts.join(" ");
}

/**
 * Returns the elements of a form, and a function that reads the parameters as JSON text. Without a
 * schema of an object there is one box for JSON. `presets` are the names of default parameters.
 */
export function fields(schema, presets) {
  const root = schema && typeof schema === "object" ? schema : {};
  const properties = resolved(root, root).properties;
  if (!properties || typeof properties !== "object" || Object.keys(properties).length === 0) {
    const area = el("textarea", { id: "parameters", spellcheck: "false", "aria-describedby": "parameters-hint" });
    area.value = "{}";
    const take = (location) => {
      const held = parsed(area.value.trim() || "{}", "The box");
      area.value = JSON.stringify({ ...held, image_url: location }, null, 2);
    };
    const text = schema
      ? "The action takes no parameters that it describes: a JSON object."
      : "The action has no schema of its parameters: a JSON object. A picture becomes image_url.";
    return [
      [el("div", {}, el("label", { for: "parameters" }, "Parameters"),
        el("p", { id: "parameters-hint", class: "hint" }, text), area, picture("parameters", take))],
      () => {
        const value = parsed(area.value.trim() || "{}", "The box");
        if (value === null || typeof value !== "object" || Array.isArray(value)) {
          throw new Error("The parameters are a JSON object, such as {\"name\": \"Ada\"}.");
        }
        return area.value.trim() || "{}";
      },
    ];
  }
  const needed = Array.isArray(resolved(root, root).required) ? resolved(root, root).required : [];
  const readers = [];
  const rows = Object.entries(properties).map(([name, given], at) => {
    const property = resolved(given, root);
    const required = needed.includes(name) && !presets.includes(name);
    const id = `field-${at}`;
    const [input, read] = control(property, id, name, required);
    readers.push([name, read]);
    const mark = required ? " (required)" : "";
    const row = el("div", {}, el("label", { for: id }, `${name}${mark}`),
      el("p", { id: `${id}-hint`, class: "hint" }, hint(property, presets.includes(name))), input);
    const isPicture = typeOf(property) === "string" && !choices(property) &&
      (PICTURE.test(name) || String(property.contentMediaType ?? "").startsWith("image/"));
    if (isPicture) row.append(picture(id, (location) => { input.value = location; }));
    return row;
  });
  return [rows, () => {
    // Without a prototype: a parameter may be called `__proto__`.
    const all = Object.create(null);
    for (const [name, read] of readers) {
      const value = read();
      if (value !== undefined) all[name] = value;
    }
    return JSON.stringify(all);
  }];
}
