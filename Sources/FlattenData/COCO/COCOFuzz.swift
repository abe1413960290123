import FlattenFiles
import FlattenRegions

/// Entry points for fuzzing: anything in, a message or nothing out.
package enum COCOFuzz {
  /// Annotations that results of any kind are read for.
  private static let truth =
    #"{"images":[{"id":1,"width":10,"height":8},{"id":2,"width":9,"height":7}],"annotations":[{"id":1,"#
    + #""image_id":1,"category_id":3,"bbox":[1,1,4,4]}],"categories":[{"id":3,"name":"car"}]}"#

  /// Reads annotations or results and decodes all their masks.
  ///
  /// - Returns: the message of the refusal; `nil` where nothing is wrong.
  package static func read(_ bytes: [UInt8], isResults: Bool) -> String? {
    do {
      var json = JSONStream(isResults ? Array(truth.utf8) : bytes, name: "annotations")
      let annotations = try COCOAnnotationReader.read(
        &json, path: "annotations", masks: true
      ) { problem in
        if !problem.kind.isHarmless { throw problem }
      }
      for index in 0..<annotations.objectCount { _ = try annotations.mask(index) }
      guard isResults else { return nil }
      var results = COCOResults()
      var list = JSONStream(bytes, name: "results")
      try results.read(&list, path: "results", annotations, masks: true)
      for index in 0..<results.count { _ = try results.mask(index, annotations) }
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// Reads compressed run lengths and writes them again.
  ///
  /// - Returns: the message of the refusal; `nil` where the written ones are read as the same mask.
  package static func runLengths(_ bytes: [UInt8], size: PixelSize) -> String? {
    do {
      let mask = try bytes.withUnsafeBufferPointer {
        try RunLengthMask(cocoBytes: $0, size: size)
      }
      let again = try RunLengthMask(cocoString: mask.cocoString, size: size)
      return again == mask ? nil : "written as another mask"
    } catch {
      return "\(error)"
    }
  }
}
