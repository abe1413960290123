import FlattenBackbones
import FlattenConfig
import FlattenImage
import FlattenRegions
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenVision
@testable import OwnModelParts

@Suite struct VisionTasksTests {
  @Test func noTwoTasksAreToldByTheSame() {
    let all = VisionTasks.all
    #expect(all.map { $0.taskName } == ["segmentation", "classification", "detection"])
    let keys = all.flatMap { $0.weightsKeys }
    #expect(Set(keys).count == keys.count)
    let figures = VisionTasks.figureNames
    #expect(Set(figures).count == figures.count)
    #expect(
      figures.prefix(10) == [
        "aAcc", "mIoU", "mAcc", "mDice", "mFscore", "top1", "top5", "AP", "AP50", "AP75",
      ])
    #expect(figures.contains("segm.AP50"))
  }

  @Test(arguments: [
    (["backbone.x", "decode_head.conv_seg.weight"], "segmentation"),
    (["head.weight", "head.bias"], "classification"), (["head.bias"], nil),
  ])
  func weightsTellTheirTask(names: [String], task: String?) {
    #expect(VisionTasks.task(of: Set(names))?.taskName == task)
  }

  // MARK: Configs of any task, with an attention of one's own

  private static let heads = [
    "segmentation": "decode_head: {type: segformer_head, channels: 8, num_classes: 11}",
    "classification": "classifier: {num_classes: 1000}",
  ]

  private func write(_ task: String, in folder: TemporaryFolder) throws -> String {
    let isClassifier = task == "classification"
    return try folder.file(
      "\(task).yaml",
      Array(
        """
        name: own
        dataset: \(isClassifier ? "imagenet" : "camvid")
        model:
          backbone: {type: flatten_pvt, embed_dims: [8, 8, 8, 8], num_heads: [1, 1, 1, 1], \
        mlp_ratios: [1, 1, 1, 1], depths: [1, 2, 1, 1], img_size: 64, attn_type: LRSS}
          \(try #require(Self.heads[task]))
        input: {mean: [120, 110, 100], std: [60, 60, 60]\(isClassifier ? ", resize: 64" : "")}
        """.utf8))
  }

  @Test(arguments: ["segmentation", "classification"])
  func anAttentionOfOnesOwnReachesEveryTask(task: String) throws {
    let folder = try TemporaryFolder()
    let config = try write(task, in: folder)
    let made = Locked(0)
    let attentions = try AttentionRegistry([
      "R": { site, scope in
        made.withLock { $0 += 1 }
        return try ReLUAttention(site, from: scope)
      }
    ])
    let picture = Image(
      width: 64, height: 64, pixels: (0..<64 * 64 * 3).map { UInt8(truncatingIfNeeded: $0 * 31) })

    let configuration = try VisionTasks.configuration(path: config, attentions: attentions)
    #expect(type(of: configuration).taskName == task)
    let weights = folder.path("w.safetensors")
    let count = try configuration.writeRandomWeights(seed: 5, to: weights)
    let size = PixelSize(height: 64, width: 64)
    #expect(try configuration.profile(size: size).parameters == count)
    // It hides the literature's R, which has other parameters.
    #expect(try VisionTasks.configuration(path: config).profile(size: size).parameters != count)

    // Both blocks of the second stage, as often as a model is made.
    #expect(made.withLock { $0 } == 2 * 2)
    if task == "segmentation" {
      let random = try Segmenter.untrained(config: config, attentions: attentions, seed: 5)
      #expect(random.parameterCount == count)
      let labels = try random.segment(picture).labels
      let loaded = try Segmenter.load(config: config, weights: weights, attentions: attentions)
      #expect(try loaded.segment(picture).labels == labels)
    } else {
      let random = try Classifier.untrained(config: config, attentions: attentions, seed: 5)
      #expect(random.parameterCount == count)
      let logits = try random.classify(picture).logits
      let loaded = try Classifier.load(config: config, weights: weights, attentions: attentions)
      #expect(try loaded.classify(picture).logits == logits)
    }
    #expect(made.withLock { $0 } == 4 * 2)
  }
}
