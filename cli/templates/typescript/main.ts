// {{name}}: an inference action.

import { InvalidError, keynetFunction } from "@keynet/inference";

export const main = keynetFunction(
  {
    name: "{{name}}",
    description: "Greets a person by name.",
    input: {
      type: "object",
      properties: {
        name: { type: "string", description: "Who is greeted." },
        word: { type: "string", description: "The word that greets.", default: "Hello" },
      },
      required: ["name"],
    },
  },
  async ({ name, word }) => {
    if (name === "") throw new InvalidError("the parameter `name` is empty");
    console.log(`greeting ${name}`);
    return { greeting: `${word}, ${name}!` };
  },
);
