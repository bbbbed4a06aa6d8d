// The smallest action: a name in, a greeting out.

import { keynetFunction } from "@keynet/inference";

export const main = keynetFunction(
  {
    name: "hello-typescript",
    description: "Greets a person by name.",
    input: {
      type: "object",
      properties: { name: { type: "string", description: "Who is greeted." } },
      required: ["name"],
    },
  },
  async ({ name }) => ({ greeting: `Hello, ${name}!` }),
);
