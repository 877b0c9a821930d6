// Reads the schema of a file as a client's tool does, and ends with an error where the tool refuses it:
// node read_schema.mjs TOOL FILE
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import eslintPlugin from '@graphql-eslint/eslint-plugin';
import { GraphQLFileLoader } from '@graphql-tools/graphql-file-loader';
import { loadSchemaSync } from '@graphql-tools/load';
import { ESLint } from 'eslint';
import { assertValidSchema, buildSchema, parse } from 'graphql';

const FRAGMENT = `import {graphql} from 'relay-runtime';
graphql\`
  fragment page_list on Query
  @refetchable(queryName: "pageListQuery")
  @argumentDefinitions(first: {type: "Int", defaultValue: 10}, after: {type: "String"}) {
    attendances(first: $first, after: $after, filter: {status: {eq: ATTENDED}}) @connection(key: "page_attendances") {
      edges { node { id status } }
    }
  }
\`;
`;

// An operation that ESLint accepts, and one with a field that does not exist.
const OPERATIONS = {
  'page.graphql': 'query Page { attendances(filter: {status: {eq: ATTENDED}}) { nodes { id status } } }',
  'wrong.graphql': 'query Wrong { attendances { nodes { id missing } } }',
};

const tools = {
  'graphql-js': (file) => assertValidSchema(buildSchema(readFileSync(file, 'utf8'))),
  // The command line of GraphQL Code Generator loads files by this.
  'graphql-tools': (file) => assertValidSchema(load(file)),
  codegen: async (file) => {
    const types = await codegen({
      schema: parse(readFileSync(file, 'utf8')),
      schemaAst: load(file),
      documents: [],
      filename: 'types.ts',
      config: {},
      plugins: [{ typescript: {} }],
      pluginMap: { typescript },
    });
    if (!types.includes('export type AttendanceConnection')) throw new Error(types);
  },
  eslint: (file) =>
    inFolder(async (project) => {
      for (const [name, text] of Object.entries(OPERATIONS)) writeFileSync(join(project, name), text);
      const graphQLConfig = { schema: file, documents: [join(project, '*.graphql')] };
      const eslint = new ESLint({
        cwd: project,
        overrideConfigFile: true,
        overrideConfig: {
          files: ['*.graphql'],
          languageOptions: { parser: eslintPlugin.parser, parserOptions: { graphQLConfig } },
          plugins: { '@graphql-eslint': eslintPlugin },
          rules: eslintPlugin.configs['flat/operations-recommended'].rules,
        },
      });
      const results = await eslint.lintFiles(Object.keys(OPERATIONS));
      const messages = results.flatMap((result) => result.messages.map(({ message }) => message));
      if (messages.length !== 1 || !messages[0].includes('"missing"')) throw new Error(messages.join('\n'));
    }),
  relay: (file) =>
    inFolder((project) => {
      mkdirSync(join(project, 'src'));
      copyFileSync(file, join(project, 'schema.graphql'));
      writeFileSync(join(project, 'src/page.ts'), FRAGMENT);
      const config = { src: './src', schema: './schema.graphql', language: 'typescript' };
      writeFileSync(join(project, 'relay.config.json'), JSON.stringify(config));
      const compiler = createRequire(import.meta.url).resolve('relay-compiler/cli.js');
      const { status } = spawnSync('node', [compiler, 'relay.config.json'], { cwd: project, stdio: 'inherit' });
      const written = status === 0 ? readdirSync(join(project, 'src/__generated__')) : [];
      if (!written.includes('pageListQuery.graphql.ts')) throw new Error(`status ${status}, written: ${written}`);
    }),
};

async function inFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'attendance-tools-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function load(file) {
  return loadSchemaSync(file, { loaders: [new GraphQLFileLoader()] });
}

const [tool, file] = process.argv.slice(2);
await tools[tool](file);
