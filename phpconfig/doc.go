// Package phpconfig reads the config.php and config.cluster.php of an eZ
// Publish installation as they are, for the constants that configure PHP's
// HTTP gateway (contract section 8). Nothing is ever executed: it understands
// define() and const with values that can be told from the files alone, the
// idiom if ( !defined( 'X' ) ) and includes of further files, and says of
// everything else that bears on constants that it was not taken.
//
// [Apply] puts the constants over the settings of a site:
//
//	warnings, err := phpconfig.Apply(&s, "config.php", "config.cluster.php")
//
// [Read] is for programs that want the constants themselves.
//
// It is no PHP parser: of a file that PHP would refuse, parts may be taken.
package phpconfig
