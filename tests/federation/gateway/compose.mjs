// Composes the subgraphs given as JSON on standard input, and prints the outcome as JSON: node compose.mjs COMPOSER
import { text } from 'node:stream/consumers';
import { compose } from './composing.mjs';

const subgraphs = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify(compose(process.argv[2], subgraphs)));
