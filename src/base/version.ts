/** The version in package.json (a test compares them): a constant, so that no file is read at run time. */
export const VERSION = '0.1.0';
