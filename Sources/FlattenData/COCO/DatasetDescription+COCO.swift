extension DatasetDescription {
  /// The annotation file and the folder of pictures of a split, below the data set's root; `nil` where the labels
  /// are pictures.
  ///
  /// - Throws: ``DatasetError`` where there is no such split.
  package func annotationFile(
    split wanted: String?
  ) throws -> (annotations: String, images: String)? {
    guard let annotations else { return nil }
    let folder = try split(named: wanted)?.folder ?? ""
    return (
      annotations.replacing("{split}", with: folder),
      images.folder.replacing("{split}", with: folder)
    )
  }
}
