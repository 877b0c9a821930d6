import type { CodegenConfig } from "@graphql-codegen/cli";

const scalars = { DateTime: "string", ID: "string" };
const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: "attendance.ts",
  importExtension: ".js",
  generates: {
    "gql/": { preset: "client", presetConfig: { fragmentMasking: false }, config: { scalars, useTypeImports: true } },
  },
};
export default config;
