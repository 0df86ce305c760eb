/* Says what the library was built of. */

const char *sources(void) { return SOURCES; }
