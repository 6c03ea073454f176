// How many files a version may have.

/** DESIGN §12: real SavedModels have tens of files; beyond this a listing is a mistake (a prefix too short), not a version. */
export const MAX_FILES = 10_000;
