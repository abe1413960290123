extension Detections {
  /// Instance map: for each pixel the number of its object, 0 where there is none.
  ///
  /// The first object has number 1, so numbers are places in ``objects``. Of objects that share a pixel the one with
  /// the best score has it. An object without a mask fills its box. Those after the 65,535th are left out.
  public func instanceMap() -> LabelMap {
    map { number, _ in UInt16(number + 1) }
  }

  /// Semantic map: for each pixel the class of its object plus 1, 0 where there is none.
  ///
  /// As ``instanceMap()`` in all else.
  public func classMap() -> LabelMap {
    map { _, object in UInt16(clamping: object.label + 1) }
  }

  private func map(_ id: (Int, DetectedObject) -> UInt16) -> LabelMap {
    var ids = [UInt16](repeating: 0, count: size.area)
    ids.withUnsafeMutableBufferPointer { ids in
      // The best comes last, above the others.
      for (number, object) in objects.prefix(Int(UInt16.max)).enumerated().reversed() {
        let mask = object.mask ?? RunLengthMask(box: object.box, size: size)
        precondition(mask.size == size, "a mask of \(mask.size) in a picture of \(size)")
        let (id, width) = (id(number, object), size.width)
        mask.forEachSegment { column, rows in
          var pixel = rows.lowerBound * width + column
          for _ in rows {
            ids[pixel] = id
            pixel += width
          }
        }
      }
    }
    return LabelMap(width: size.width, height: size.height, ids: ids)
  }
}
