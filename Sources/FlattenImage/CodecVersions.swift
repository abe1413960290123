import FlattenCodecs

/// The libraries that decode and encode pictures.
package enum CodecVersions {
  /// Their names and versions in one line.
  package static var text: String { String(cString: fc_versions()) }
}
