/** What a newcomer starts with: example data and analyses, created as an operator would. */
export { type ExampleSetup, exampleProject, setUpExamples } from './set-up-examples.ts'
