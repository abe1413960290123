import FlattenImage
import FlattenTensor

extension Backbone {
  /// Receives what a model makes on the way; see ``Intermediate``.
  public typealias Hook = (_ intermediate: Intermediate) throws -> Void

  /// Computes the maps of a picture at its own size.
  ///
  ///     let maps = try backbone(picture, handingOut: ["stages.2.blocks.1.attn"]) { intermediate in
  ///       print(intermediate.name, intermediate.map.channels)
  ///     }
  ///
  /// - Parameters:
  ///   - picture: both sides at least ``leastSide``.
  ///   - names: of ``intermediateNames``. The maps are the same, to the bit, whatever is asked for.
  ///   - hook: called with each of them, in the order they are made.
  /// - Returns: a map for each level of ``featureInfo``, batch 1.
  /// - Throws: ``BackboneError``, and what the hook throws.
  public func callAsFunction(
    _ picture: Image, handingOut names: [String] = [], to hook: Hook = { _ in }
  ) throws -> [FeatureMap] {
    try self(
      rgb: picture.pixels.span, width: picture.width, height: picture.height, handingOut: names,
      to: hook)
  }

  /// Computes the maps of a picture that is given as bytes.
  ///
  /// - Parameters:
  ///   - pixels: `height * width * 3` samples, 0 to 255, R, G, B, row by row without padding.
  ///   - width: columns, at least ``leastSide``.
  ///   - height: rows, at least ``leastSide``.
  ///   - names: of ``intermediateNames``.
  ///   - hook: called with each of them.
  /// - Returns: a map for each level of ``featureInfo``, batch 1.
  /// - Throws: ``BackboneError``, and what the hook throws.
  public func callAsFunction(
    rgb pixels: Span<UInt8>, width: Int, height: Int, handingOut names: [String] = [],
    to hook: Hook = { _ in }
  ) throws -> [FeatureMap] {
    guard inputChannels == 3 else { throw BackboneError.noPictures(channels: inputChannels) }
    let (area, isTooLarge) = height.multipliedReportingOverflow(by: width)
    guard !isTooLarge, area <= Int.max / 3, pixels.count == area * 3 else {
      throw BackboneError.sampleCount(found: pixels.count, width: width, height: height)
    }
    let bytes = try need(batch: 1, height: height, width: width)
    try reserve(bytes, height: height, width: width)
    let input = normalisation.input(
      pixels, height: height, width: width, padded: (height, width), pool: memory)
    return try run(input, names, hook)
  }

  /// Computes the maps of a batch that is already normalised.
  ///
  /// - Parameters:
  ///   - batch: `[pictures, height, width, inputChannels]`; both sides at least ``leastSide``.
  ///   - names: of ``intermediateNames``.
  ///   - hook: called with each of them.
  /// - Returns: a map for each level of ``featureInfo``.
  /// - Throws: ``BackboneError``, and what the hook throws.
  public func callAsFunction(
    _ batch: Tensor, handingOut names: [String] = [], to hook: Hook = { _ in }
  ) throws -> [FeatureMap] {
    let shape = batch.shape
    guard shape.count == 4, shape[3] == inputChannels, !shape.contains(0) else {
      throw BackboneError.batchShape(found: shape, channels: inputChannels)
    }
    let bytes = try need(batch: shape[0], height: shape[1], width: shape[2])
    try reserve(bytes, height: shape[1], width: shape[2])
    return try run(batch, names, hook)
  }

  /// The memory of a pass over pictures of a size that the model takes.
  private func need(batch: Int, height: Int, width: Int) throws -> Int {
    guard min(height, width) >= leastSide else {
      throw BackboneError.pictureTooSmall(width: width, height: height, least: leastSide)
    }
    let pixels = height.multipliedReportingOverflow(by: width)
    let (all, isTooMuch) = pixels.partialValue.multipliedReportingOverflow(by: batch)
    // So many bytes are out of reach of any system.
    guard !pixels.overflow, !isTooMuch, all <= MemoryNeed.mostPixels else {
      throw BackboneError.pictureTooLarge(width: width, height: height, bytes: .max)
    }
    return try MemoryNeed.bytes(
      input: Shape(batch, height, width, inputChannels), threads: threads.threads, purpose
    ) { _ = model($0, $1) }
  }

  private func reserve(_ bytes: Int, height: Int, width: Int) throws {
    guard memory.reserve(bytes: bytes, where: MemoryNeed.isMet) else {
      throw BackboneError.pictureTooLarge(width: width, height: height, bytes: bytes)
    }
  }

  private func run(_ input: Tensor, _ names: [String], _ hook: Hook) throws -> [FeatureMap] {
    for name in names where !intermediateNames.contains(name) {
      throw BackboneError.unknownIntermediate(name, known: intermediateNames)
    }
    // Asking for intermediates is looking inside: each step is computed by itself.
    let pass = ForwardPass(
      threads: threads, memory: memory, purpose: names.isEmpty ? purpose : .inspection)
    var failure: (any Error)?
    let wanted = Set(names)
    let maps = withoutActuallyEscaping(hook) { hook in
      pass.observer = { observation in
        guard failure == nil, case .intermediate(let name, let tensor, let grid) = observation,
          wanted.contains(name)
        else { return }
        let stride =
          IntermediateNames.stageIndex(of: name).map { featureInfo[$0].stride }
          ?? input.shape[1] / max(grid.height, 1)
        do {
          try hook(Intermediate(name: name, tensor, grid: grid, stride: stride))
        } catch {
          failure = error
        }
      }
      if names.isEmpty { pass.observer = nil }
      defer { pass.observer = nil }
      return model(input, pass)
    }
    if let failure { throw failure }
    return zip(maps, featureInfo).map { FeatureMap($0, stride: $1.stride) }
  }
}
